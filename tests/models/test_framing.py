"""The crop is upright, shows the face at its size, and goes on where the picture ends."""

import numpy as np
import pytest

from limner.models.avatar import default_avatar
from limner.models.framing import FACE_HEIGHT, FACE_WIDTH, cut, extend, frame
from limner.models.landmarks import Region, roll


@pytest.fixture(scope="module")
def mesh() -> np.ndarray:
    return default_avatar().portrait.landmarks


def placed(mesh, scale: float, shift, angle: float = 0.0) -> np.ndarray:
    """The bundled face scaled about its centre, turned (radians, clockwise in the picture) and moved."""
    c, s = np.cos(angle), np.sin(angle)
    points = (mesh[:, :2] - mesh[:, :2].mean(0)) @ np.array([[c, s], [-s, c]]) * scale + shift
    return np.concatenate([points, mesh[:, 2:] * scale], axis=1).astype(np.float32)


def in_crop(points, region, side=512):
    affine = region.to_crop(side)
    return points[:, :2] @ affine[:, :2].T + affine[:, 2]


@pytest.mark.parametrize("angle", [0, 0.3, -0.7, np.pi / 2, np.pi])
@pytest.mark.parametrize("scale", [0.5, 3])
def test_a_face_with_room_around_it(mesh, scale, angle):
    points = placed(mesh, scale, (3000, 3000), angle)
    crop = in_crop(points, frame(points, (6000, 6000)))
    width, height = np.ptp(crop[:468], axis=0) / 512
    assert width == pytest.approx(FACE_WIDTH, abs=0.03) or height == pytest.approx(FACE_HEIGHT, abs=0.03)
    assert abs(roll(np.concatenate([crop, points[:, 2:]], axis=1))) < 0.02          # upright
    middle = (crop[:468].min(0) + crop[:468].max(0))[0] / 2
    assert middle == pytest.approx(256, abs=6)
    assert crop[:468, 1].min() > 0.15 * 512                                          # room for the hair


def test_a_face_near_the_edge_moves_into_the_picture(mesh):
    points = placed(mesh, 1.0, (200, 300))
    region = frame(points, (700, 900))
    crop = in_crop(points, region)
    assert crop[:468].min() > 20 and crop[:468].max() < 492
    assert region.centre[0] - region.side / 2 > -60


def test_cut_tells_which_pixels_are_real():
    image = np.random.default_rng(0).integers(0, 256, (200, 200, 3), np.uint8)
    crop, inside = cut(image, Region(np.float32([100, 100]), 100, 0.0), 100)
    assert inside.all()
    np.testing.assert_array_equal(crop, image[50:150, 50:150])
    crop, inside = cut(image, Region(np.float32([0, 100]), 100, 0.0), 100)
    assert not inside[:, :49].any() and inside[:, 55:].all()


def test_the_body_goes_on_below_and_the_wall_beside():
    side = 128
    crop = np.full((side, side, 3), (90, 120, 150), np.uint8)
    crop[40:, 40:90] = (200, 30, 30)
    matte = np.zeros((side, side), np.float32)
    matte[40:, 40:90] = 1
    inside = np.zeros((side, side), bool)
    inside[:100] = True
    wall = np.full_like(crop, (90, 120, 150))
    filled, opacity = extend(crop, matte, inside, 60.0, wall)
    np.testing.assert_array_equal(filled[:100], crop[:100])
    assert (filled[115, 65] == (200, 30, 30)).all() and opacity[115, 65] > 0.99
    assert (filled[115, 10] == (90, 120, 150)).all() and opacity[115, 10] < 0.01


def test_hair_cut_off_above_the_chin_fades_into_the_wall():
    side = 128
    crop = np.full((side, side, 3), (200, 30, 30), np.uint8)
    inside = np.zeros((side, side), bool)
    inside[:, 40:] = True
    wall = np.full_like(crop, (90, 120, 150))
    filled, opacity = extend(crop, np.ones((side, side), np.float32), inside, 127.0, wall)
    assert opacity[20, 5] < 0.01 and (filled[20, 5] == (90, 120, 150)).all()
