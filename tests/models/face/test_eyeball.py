"""An eye taken apart and put together again, on drawn eyes."""

import cv2
import numpy as np
import pytest

from limner.models.face.eyeball import Parts, take_apart

H, W, CENTRE, RADIUS = 60, 100, np.array([50.0, 30.0], np.float32), 12.0


def _eye(blur: float, shade: float) -> tuple[np.ndarray, np.ndarray]:
    """A drawn eye f32 [60, 100, 3], its right half `shade` times as light, and its outline."""
    x = np.linspace(-1, 1, 40)
    arc = np.stack([50 + 38 * x, 30 - 16 * (1 - x**2)], 1)
    outline = np.concatenate([arc, np.stack([arc[::-1, 0], 60 - arc[::-1, 1]], 1)]).astype(np.float32)
    eye = np.full((H, W, 3), (200, 160, 140), np.float32)
    white = np.full((H, W, 3), 215, np.float32) * np.where(np.arange(W) < 50, 1, shade)[None, :, None]
    inside = np.zeros((H, W), np.uint8)
    cv2.fillPoly(inside, [np.rint(outline).astype(np.int32)], 1)
    eye = np.where(inside[..., None] > 0, white, eye).astype(np.float32)
    iris = np.hypot(*(np.mgrid[:H, :W][::-1] - CENTRE[:, None, None])) < RADIUS
    eye[iris & (inside > 0)] = (60, 45, 40)
    return (cv2.GaussianBlur(eye, (0, 0), blur) if blur else eye), outline


def _shown(parts: Parts, across: float, still: float) -> np.ndarray:
    """As `Eye.draw` puts the parts together, the gaze `across` px to the right."""
    iris = cv2.warpAffine(parts.iris, np.float32([[1, 0, across], [0, 1, 0]]), (W, H))
    return parts.shade * (parts.sclera * (1 - iris[..., 3:]) + iris[..., :3] + 2) - 2 + still * parts.rest


@pytest.mark.parametrize("blur", [0, 1, 4])
@pytest.mark.parametrize("shade", [1, 0.5])
def test_a_steady_gaze_is_the_portraits_own_eye(blur: float, shade: float):
    eye, outline = _eye(blur, shade)
    inside = np.zeros((H, W), np.uint8)
    cv2.fillPoly(inside, [np.rint(outline).astype(np.int32)], 1)
    apart = np.abs(_shown(take_apart(eye, outline, CENTRE, RADIUS), 0, 1) - eye)
    assert apart[inside > 0].max() < 0.5                             # grey levels: rounding


@pytest.mark.parametrize("blur", [3, 5])
@pytest.mark.parametrize("shade", [1, 0.5])
def test_a_blurred_eye_moves_without_an_edge_sharper_than_its_own(blur: float, shade: float):
    eye, outline = _eye(blur, shade)
    parts = take_apart(eye, outline, CENTRE, RADIUS)
    row = np.s_[28:33, 22:78]                                        # clear of the lids
    own = np.abs(np.diff(eye[row].mean(2), axis=1)).max()
    for across in (-6, 6):
        moved = np.abs(np.diff(_shown(parts, across, 0)[row].mean(2), axis=1)).max()
        assert moved < 1.5 * own


def test_white_lies_where_the_iris_was():
    eye, outline = _eye(0.7, 1)
    moved = _shown(take_apart(eye, outline, CENTRE, RADIUS), 14, 0)
    assert np.abs(moved[30, 40:48] - 215).max() < 12                 # what the iris had covered
    assert moved[30, 64].mean() < 80                                 # where it has gone
