"""Faces are found large and small, upright and turned, one and many; and not where there are none."""

import cv2
import numpy as np
import pytest

from limner.models.blazeface import _DETECTORS, _anchors, _overlap, detect

pytestmark = pytest.mark.usefixtures("networks")


def on_canvas(image, side: int, at: tuple[int, int], canvas: tuple[int, int] = (1600, 1200)) -> np.ndarray:
    """The picture `side` px wide at x, y `at` on a canvas (height, width) of its own border colour."""
    out = np.full((*canvas, 3), 150, np.uint8)
    x, y = at
    out[y:y + side, x:x + side] = cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA)
    return out


def test_anchor_counts_are_the_networks():
    assert [len(_anchors(d)) for d in _DETECTORS] == [896, 2304]


def test_the_astronaut(astronaut):
    [face] = detect(astronaut)
    right, left, nose = face.points[:3]
    assert face.score > 0.85
    np.testing.assert_allclose([right, left, nose], [(204, 101), (247, 103), (225, 127)], atol=6)     # px, by eye


@pytest.mark.parametrize("side", [1100, 500, 220])
def test_any_size_in_a_large_picture(astronaut, side):
    [face] = detect(on_canvas(astronaut, side, (60, 300)))
    expected = np.array([60, 300]) + np.array([225, 127]) * side / 512
    np.testing.assert_allclose(face.points[2], expected, atol=0.05 * side)


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_turned_pictures(astronaut, turns):
    image = np.ascontiguousarray(np.rot90(astronaut, turns))
    faces = detect(image)
    assert faces
    x, y = 225.0, 127.0
    for _ in range(turns):
        x, y = y, 511 - x                            # np.rot90 turns anticlockwise
    assert min(np.hypot(*(face.points[2] - (x, y))) for face in faces) < 20


def test_several_faces_left_to_right(astronaut):
    row = np.hstack([astronaut[:300, 80:380]] * 3)
    faces = detect(row)
    assert len(faces) == 3
    assert all(_overlap(a, b) < 0.1 for i, a in enumerate(faces) for b in faces[:i])
    assert [face.box[0] for face in faces] == sorted(face.box[0] for face in faces)


@pytest.mark.parametrize("shape", [(64, 64), (1, 500), (700, 30)])
def test_pictures_without_faces(shape):
    rng = np.random.default_rng(0)
    assert detect(np.full((*shape, 3), 127, np.uint8)) == []
    assert detect(cv2.GaussianBlur(rng.integers(0, 256, (*shape, 3), np.uint8), (0, 0), 3), 0.9) == []
