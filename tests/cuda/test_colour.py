"""`colour`: whole-number arithmetic, so the kernel's own source equals its twin to the bit."""

import numpy as np
import pytest

from limner.cuda import kernels, reference
from limner.engine.colour import even, i420


def picture(rng, batch, height, width, channels):
    return rng.integers(0, 256, (batch, height, width, channels), np.uint8)


def compare(put, rgb, matrix, layout):
    want, opacity = reference.colour(rgb, matrix=matrix, layout=layout)
    got, alpha = kernels.colour(put(rgb), matrix=matrix, layout=layout)
    assert np.array_equal(got, want), (rgb.shape, matrix, layout)
    assert (alpha is None) == (opacity is None) == (rgb.shape[-1] == 3)
    assert opacity is None or np.array_equal(alpha, opacity)


@pytest.mark.parametrize("matrix", reference.COLOUR)
@pytest.mark.parametrize("layout", ["i420", "nv12"])
@pytest.mark.parametrize("channels", [3, 4])
def test_kernel_equals_its_twin(put, matrix, layout, channels):
    rng = np.random.default_rng(1)
    compare(put, picture(rng, 1, 288, 512, channels), matrix, layout)
    for height, width in rng.integers(1, 70, (60, 2)).tolist():
        compare(put, picture(rng, int(rng.integers(1, 4)), height, width, channels), matrix, layout)


@pytest.mark.parametrize("size", [(64, 48), (33, 21), (1, 1)])
def test_twin_equals_the_engine(size):
    rgb = picture(np.random.default_rng(2), 1, *size, 4)
    planes, alpha = reference.colour(rgb)
    apart = np.abs(planes[0].astype(int) - i420(np.ascontiguousarray(rgb[0, ..., :3])))
    # Coefficients in 1/65536 against float32: a level where the exact value lies on a rounding edge.
    assert apart.max() <= 1 and (apart > 0).mean() < 0.005
    assert np.array_equal(alpha[0], even(rgb[0, ..., 3]))


@pytest.mark.parametrize("matrix", reference.COLOUR)
def test_greys_have_no_colour_and_the_range_is_limited(matrix):
    grey = np.repeat(np.arange(256, dtype=np.uint8), 6).reshape(1, 1, 512, 3).repeat(2, 1)
    planes, _ = reference.colour(grey, matrix=matrix)
    assert np.all(planes[0, 2:] == 128)
    want = 16 + np.arange(256).repeat(2) * 219 / 255
    assert np.abs(planes[0, 0] - want).max() <= 0.51                 # rounding, and coefficients to 1/65536


@pytest.mark.parametrize(("matrix", "red", "blue"), [("bt601", 0.299, 0.114), ("bt709", 0.2126, 0.0722)])
def test_matrices_follow_from_their_primaries(matrix, red, blue):
    """ITU-R BT.601 and BT.709 define Kr and Kb; every coefficient follows, to the table's 1/65536."""
    green, luma, half = 1 - red - blue, 219 / 255, 112 / 255
    cb = [-half * red / (1 - blue), -half * green / (1 - blue), half]
    cr = [half, -half * green / (1 - red), -half * blue / (1 - red)]
    want = np.array([luma * red, luma * green, luma * blue, *cb, *cr]) * 65536
    assert np.abs(np.array(reference.COLOUR[matrix]) - want).max() < 0.7


def test_nv12_is_i420_with_its_chroma_interleaved():
    rgb = picture(np.random.default_rng(3), 2, 10, 14, 3)
    planar, packed = (reference.colour(rgb, layout=layout)[0] for layout in ("i420", "nv12"))
    assert np.array_equal(planar[:, :10], packed[:, :10])
    chroma = planar[:, 10:].reshape(2, 2, 35)
    assert np.array_equal(packed[:, 10:].reshape(2, 35, 2), chroma.transpose(0, 2, 1))
