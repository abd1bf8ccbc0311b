"""Landmarks lie where they should, and stay with the face when the picture is scaled, turned or shifted."""

import cv2
import numpy as np
import pytest

from limner.models.blazeface import detect
from limner.models.landmarks import LEFT_EYE, MIN_PRESENCE, RIGHT_EYE, Region, eye_distance, measure, resample, roll


@pytest.fixture(scope="module")
def measured(networks, astronaut):
    [face] = detect(astronaut)
    return measure(astronaut, face)


def test_the_astronaut(measured):
    points, presence = measured
    assert points.shape == (478, 3) and points.dtype == np.float32 and presence > 0.99
    assert eye_distance(points) == pytest.approx(62, abs=3)          # px between the outer corners, by eye
    assert abs(np.degrees(roll(points))) < 6
    # Under the nose, the mouth's corners, chin, pupils.
    by_eye = {1: (225, 129), 61: (203, 140), 291: (247, 140), 152: (225, 178), 468: (204, 101), 473: (247, 103)}
    for index, place in by_eye.items():
        assert np.hypot(*(points[index, :2] - place)) < 5
    assert points[1, 2] < points[[234, 454], 2].min()                # the nose is nearer to the camera than the ears


def test_irises_lie_in_the_eyes_in_the_documented_order(measured):
    points, _ = measured
    for first, corners in ((468, RIGHT_EYE), (473, LEFT_EYE)):
        centre, right, top, left, bottom = points[first:first + 5, :2]
        a, b = points[list(corners), :2]
        assert a[0] < centre[0] < b[0]
        assert right[0] > centre[0] > left[0] and top[1] < centre[1] < bottom[1]
        width = np.linalg.norm(right - left)
        assert 0.25 < width / np.linalg.norm(b - a) < 0.6            # 11.7 mm of some 29 mm


@pytest.mark.parametrize(("scale", "degrees"), [(2.0, 0), (1.0, 25), (3.1, -12), (0.8, 5)])
def test_measuring_follows_the_picture(measured, astronaut, scale, degrees):
    """Scaled and turned pictures give the same points, moved: the crops' own influence is averaged out."""
    affine = cv2.getRotationMatrix2D((225, 127), degrees, scale).astype(np.float32)
    affine[:, 2] += np.float32([450, 450]) - affine @ np.float32([225, 127, 1])
    moved = cv2.warpAffine(astronaut, affine, (900, 900), flags=cv2.INTER_CUBIC)
    faces = detect(moved)
    points, _ = measure(moved, max(faces, key=lambda face: face.area))
    expected = measured[0][:, :2] @ affine[:, :2].T + affine[:, 2]
    error = np.linalg.norm(points[:, :2] - expected, axis=1) / (62 * scale)
    assert error.mean() < 0.02                                       # of the eye distance: about a pixel


def test_what_is_no_face_has_no_presence(networks, astronaut):
    [face] = detect(astronaut)
    helmet = np.ascontiguousarray(astronaut[::-1])                   # the same box on a picture upside down
    assert measure(helmet, face)[1] < MIN_PRESENCE


def test_region_round_trip():
    region = Region(np.float32([300, 200]), 100, 0.4)
    affine = region.to_crop(64)
    np.testing.assert_allclose(affine @ np.float32([300, 200, 1]), [32, 32], atol=1e-3)
    across = np.float32([np.cos(0.4), np.sin(0.4)]) * 50             # half the side along the face's own x axis
    np.testing.assert_allclose(affine @ np.float32([300 + across[0], 200 + across[1], 1]), [64, 32], atol=1e-3)


def test_shrinking_does_not_alias():
    """A fine checkerboard shrunk eight times is grey, not a coarser checkerboard."""
    board = (np.indices((512, 512)).sum(0) % 2 * 255).astype(np.uint8)[..., None].repeat(3, 2)
    small = resample(board, Region(np.float32([256, 256]), 512, 0.1).to_crop(64), (64, 64))
    assert small[16:48, 16:48].std() < 6


@pytest.mark.parametrize("scale", [0.25, 0.5, 1.0, 3.0])
def test_resampling_lands_where_the_affine_says(scale):
    y, x = np.mgrid[:400, :400].astype(np.float32)
    blob = (255 * np.exp(-((x - 150) ** 2 + (y - 220) ** 2) / (2 * 12.0**2))).astype(np.uint8)[..., None].repeat(3, 2)
    affine = np.float32([[scale, 0, 7], [0, scale, -5]])
    size = round(400 * scale) + 20
    out = resample(blob, affine, (size, size))[..., 0].astype(float)
    oy, ox = np.mgrid[:size, :size]
    centre = (out * ox).sum() / out.sum(), (out * oy).sum() / out.sum()
    np.testing.assert_allclose(centre, (150 * scale + 7, 220 * scale - 5), atol=0.15)      # px; rounding of uint8 tails
