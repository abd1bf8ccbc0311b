"""The reference conversion against the standard's own numbers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from limner.engine.colour import between, i420, to_picture
from limner.engine.types import Frame, Picture


@pytest.mark.parametrize(("rgb", "yuv"), [
    ((0, 0, 0), (16, 128, 128)), ((255, 255, 255), (235, 128, 128)), ((255, 0, 0), (81, 90, 240)),
    ((0, 255, 0), (145, 54, 34)), ((0, 0, 255), (41, 240, 110)), ((128, 128, 128), (126, 128, 128)),
])  # fmt: skip
def test_colours_of_the_standard(rgb, yuv):
    """ITU-R BT.601-7, limited range, rounded: the colour bars everyone publishes."""
    planes = i420(np.full((4, 6, 3), rgb, np.uint8))
    assert planes.shape == (6, 6)
    flat = planes[4:].reshape(-1)
    assert (planes[:4] == yuv[0]).all()
    assert (flat[:6] == yuv[1]).all()
    assert (flat[6:] == yuv[2]).all()


def test_chroma_is_the_mean_of_its_four_pixels():
    rgb = np.zeros((2, 2, 3), np.uint8)
    rgb[0, 0] = (255, 0, 0)
    cr = i420(rgb)[2:].reshape(-1)[1]
    assert cr == round(128 + 112 / 4)


@given(st.integers(1, 9), st.integers(1, 9))
def test_odd_sizes_repeat_their_edge(height, width):
    rng = np.random.default_rng(height * 10 + width)
    rgb = rng.integers(0, 255, (height, width, 3), np.uint8)
    even = np.pad(rgb, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    assert np.array_equal(i420(rgb), i420(even))
    assert i420(rgb).shape == ((height + height % 2) * 3 // 2, width + width % 2)


def test_a_picture_keeps_what_the_frame_says():
    frame = Frame(np.zeros((3, 5, 3), np.uint8), 7200, 3600, 42, "between", 3, alpha=np.full((3, 5), 9, np.uint8))
    picture = to_picture(frame)
    assert (picture.size, picture.pts, picture.duration, picture.captured_ns) == ((4, 6), 7200, 3600, 42)
    assert (picture.drawn, picture.generation) == ("between", 3)
    assert picture.alpha.shape == (4, 6)
    assert (picture.alpha == 9).all()


def test_between_is_the_exact_mean_rounded_down():
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 256, (2, 6, 4), np.uint16)
    first = Picture(a.astype(np.uint8), (4, 4), 0, 1, 3600)
    second = Picture(b.astype(np.uint8), (4, 4), 7200, 2, 3600, generation=5)
    middle = between(first, second, 3600)
    assert np.array_equal(middle.planes, (a + b) // 2)
    assert (middle.pts, middle.drawn, middle.generation, middle.captured_ns) == (3600, "between", 5, 2)
    assert middle.alpha is None


def test_the_opacity_between_is_the_mean_too():
    planes = np.zeros((6, 4), np.uint8)
    first, second = (Picture(planes, (4, 4), pts, 0, 3600, alpha=np.full((4, 4), a, np.uint8)) for pts, a in ((0, 10), (7200, 21)))
    assert (between(first, second, 3600).alpha == 15).all()
