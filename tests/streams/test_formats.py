import dataclasses

import cv2
import numpy as np
import pytest

from limner.engine.colour import to_picture
from limner.engine.errors import UsageError
from limner.engine.types import Frame
from limner.streams.formats import Formatter


@pytest.fixture
def picture():
    """A smooth gradient, whose colours survive the halving of chroma; (RGB, Picture)."""
    y, x = np.mgrid[0:48, 0:64]
    rgb = np.stack([40 + 3 * x, 60 + 3 * y, 200 - x - y], 2).astype(np.uint8)
    return rgb, to_picture(Frame(rgb, 7200, 3600, 5, "between", 2))


def test_rgb_is_what_was_drawn(picture):
    rgb, drawn = picture
    got = Formatter("rgb")(drawn)
    # 8 bits at limited range lose about 1.2 grey levels, chroma at half size up to 3 on this slope.
    assert np.abs(got.data.astype(int) - rgb).max() <= 5 and np.abs(got.data.astype(int) - rgb).mean() < 1.5
    assert (got.kind, got.size, got.pts, got.captured_ns, got.duration, got.drawn, got.generation) == ("rgb", (48, 64), 7200, 5, drawn.duration, "between", 2)


def test_bgra_carries_the_alpha(picture):
    _, drawn = picture
    rgb = Formatter("rgb")(drawn).data
    opaque = Formatter("bgra")(drawn).data
    np.testing.assert_array_equal(opaque[:, :, 2::-1], rgb)
    assert (opaque[:, :, 3] == 255).all()
    alpha = np.arange(48 * 64).reshape(48, 64).astype(np.uint8)
    np.testing.assert_array_equal(Formatter("bgra")(dataclasses.replace(drawn, alpha=alpha)).data[:, :, 3], alpha)


def test_jpeg_decodes_to_the_same_and_quality_counts(picture):
    rgb, drawn = picture
    fine, coarse = (Formatter("jpeg", quality)(drawn).data for quality in (95, 20))
    decoded = cv2.imdecode(fine, cv2.IMREAD_COLOR)[:, :, ::-1]
    assert np.abs(decoded.astype(int) - rgb).mean() < 3 and len(coarse) < len(fine)


def test_i420_is_passed_on_untouched(picture):
    assert Formatter()(picture[1]) is picture[1]


@pytest.mark.parametrize("kind", ["i420", "rgb", "jpeg"])
def test_formats_without_alpha_show_a_transparent_picture_over_black(picture, kind):
    _, drawn = picture
    clear = Formatter(kind)(dataclasses.replace(drawn, alpha=np.zeros((48, 64), np.uint8)))
    black = Formatter(kind)(to_picture(Frame(np.zeros((48, 64, 3), np.uint8), 7200, 3600, 5)))
    shown, wanted = (each.planes if kind == "i420" else each.data for each in (clear, black))
    np.testing.assert_array_equal(shown, wanted)


@pytest.mark.parametrize("asked", [("gif", 90), ("jpeg", 0), ("jpeg", 101)])
def test_what_is_no_format(asked):
    with pytest.raises(UsageError, match="expected"):
        Formatter(*asked)
