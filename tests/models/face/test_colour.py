import numpy as np
import pytest

from limner.engine import colour as reference
from limner.engine.types import Frame
from limner.models.face.colour import to_picture


@pytest.mark.parametrize("size", [(64, 64), (50, 34), (51, 33)])
def test_equals_the_engines_reference(size: tuple[int, int]):
    rng = np.random.default_rng(0)
    frame = Frame(rng.integers(0, 256, (*size, 3), np.uint8), 900, 3600, 7, alpha=rng.integers(0, 256, size, np.uint8))
    ours, theirs = to_picture(frame), reference.to_picture(frame)
    assert np.abs(ours.planes.astype(int) - theirs.planes).max() <= 1    # fixed point against float
    assert (ours.size, ours.pts, ours.duration, ours.captured_ns) == (theirs.size, 900, 3600, 7)
    assert np.array_equal(ours.alpha, theirs.alpha)


def test_black_and_white_are_limited_range():
    for value, luma in ((0, 16), (255, 235)):
        picture = to_picture(Frame(np.full((8, 8, 3), value, np.uint8), 0, 0, 0))
        assert (picture.planes[:8] == luma).all() and (picture.planes[8:] == 128).all()
