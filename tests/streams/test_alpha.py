import dataclasses

import numpy as np
import pytest

from limner.engine.colour import i420
from limner.engine.types import Picture
from limner.streams.alpha import opaque, stacked

SIZE = (32, 48)


def cut(alpha: np.ndarray | None, seed: int = 0) -> tuple[Picture, np.ndarray]:
    """A picture of smooth colours with an opacity, and its RGB."""
    corners = np.random.default_rng(seed).integers(20, 235, (2, 2, 3))
    y, x = np.linspace(0, 1, SIZE[0])[:, None, None], np.linspace(0, 1, SIZE[1])[None, :, None]
    rgb = (corners[0, 0] * (1 - y) + corners[1, 0] * y) * (1 - x) + (corners[0, 1] * (1 - y) + corners[1, 1] * y) * x
    rgb = np.rint(rgb).astype(np.uint8)
    return Picture(i420(rgb), SIZE, 900, 5, 3600, "key", 2, alpha), rgb


def test_pictures_without_opacity_pass_untouched():
    picture, _ = cut(None)
    assert opaque(picture) is picture


@pytest.mark.parametrize("level", [0, 1, 128, 255])
def test_over_black_is_the_colour_times_the_opacity(level):
    picture, rgb = cut(np.full(SIZE, level, np.uint8))
    got = opaque(picture)
    wanted = i420(np.rint(rgb * (level / 255)).astype(np.uint8))
    assert got.alpha is None and (got.size, got.pts, got.generation) == (SIZE, 900, 2)
    assert np.abs(got.planes.astype(int) - wanted).max() <= 2            # roundings of both ways


def test_stacked_has_the_picture_above_and_the_opacity_as_grey_below():
    alpha = np.random.default_rng(1).integers(0, 256, SIZE, dtype=np.uint8)
    picture, rgb = cut(alpha)
    got = stacked(picture)
    wanted = i420(np.concatenate([rgb, np.repeat(alpha[..., None], 3, 2)]))
    assert got.size == (64, 48) and got.alpha is None and got.planes.shape == (96, 48)
    assert np.abs(got.planes.astype(int) - wanted).max() <= 1            # rounding
    assert (stacked(dataclasses.replace(picture, alpha=None)).planes[32:64] == 235).all()
