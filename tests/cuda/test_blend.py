"""`match` and `blend`: the kernels' own source against their twins, and both against the paste of the lip-sync animators."""

import cv2
import numpy as np
import pytest

from limner.cuda import kernels, reference
from limner.models import paste
from limner.models.dinet import crop
from tests.models import faces

SHAPE, SQUARE = crop.picture_size(128), crop.repainted(128)


@pytest.fixture(scope="module")
def seat():
    frames, marks = faces.moving(1)
    points = marks[0, list(crop.MULTI_PIE), :2]
    window = crop.crop_window(points, crop.radius(points[None]))
    patch = paste.prepare(frames[0], marks[0], window, SHAPE, SQUARE)
    drawing = paste.look(frames[0], window, SHAPE).astype(np.float32)
    return frames[0], patch, drawing * np.float32([0.9, 1, 1.05]) + np.float32([12, -8, 5])


def given(rng, kind, layout, size=(106, 82), cells=(13, 10)):
    shape = (*size, 3) if layout == "hwc" else (3, *size)
    drawing = rng.uniform(0, 1, shape).astype(kind)
    return drawing, rng.uniform(0, 255, (*cells, 3)).astype("f4"), rng.uniform(0, 1, cells).astype("f4")


def matched(put, drawing, seen, surround, **how):
    tables = kernels.upload(reference.spread(surround))
    return kernels.match(put(drawing), put(seen), put(surround), tables, **how)


@pytest.mark.parametrize("kind", ["f2", "f4"])
@pytest.mark.parametrize("layout", ["hwc", "chw"])
@pytest.mark.parametrize(("size", "cells"), [((106, 82), (13, 10)), ((416, 320), (52, 40)), ((8, 9), (4, 4))])
def test_match_equals_its_twin(put, kind, layout, size, cells):
    drawing, seen, surround = given(np.random.default_rng(1), kind, layout, size, cells)
    want = reference.match(drawing, seen, surround, reference.spread(surround), layout=layout, gain=255)
    got = matched(put, drawing, seen, surround, layout=layout, gain=255)
    np.testing.assert_allclose(got, want, atol=2e-3, rtol=0)         # levels of 255; means of many in another order


def test_match_equals_the_paste(seat):
    _, patch, drawing = seat
    surround = patch.surround[..., 0]
    offset = reference.match(drawing, patch.seen, surround, reference.spread(surround))
    want = paste.colour_offset(patch, drawing)
    got = cv2.resize(offset, drawing.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    assert np.abs(want).max() > 3                                    # there is a cast to take out
    np.testing.assert_allclose(got, want, atol=0.02, rtol=0)         # levels of 255; OpenCV's sums


def test_nothing_to_match_is_no_offset(put):
    drawing, seen, surround = given(np.random.default_rng(2), "f4", "hwc")
    surround[...] = 0
    assert not reference.match(drawing, seen, surround, reference.spread(surround)).any()
    assert not matched(put, drawing, seen, surround).any()


@pytest.mark.parametrize("kind", ["f2", "f4"])
@pytest.mark.parametrize("layout", ["hwc", "chw"])
def test_blend_equals_its_twin(put, kind, layout):
    rng = np.random.default_rng(3)
    for _ in range(30):
        drawing, _, _ = given(rng, kind, layout, tuple(rng.integers(4, 60, 2)))
        offset = rng.uniform(-20, 20, (*rng.integers(1, 8, 2), 3)).astype(np.float32)
        picture = rng.integers(0, 256, (90, 100, 3), np.uint8)
        rows, columns = rng.integers(1, 60, 2)
        mask = np.clip(rng.uniform(-0.5, 1.2, (rows, columns)), 0, 1).astype(np.float32)
        affine = np.array([[1.3, 0.1, rng.uniform(-9, 9)], [-0.2, 1.1, rng.uniform(-9, 9)]])
        top, left, opacity = int(rng.integers(0, 91 - rows)), int(rng.integers(0, 101 - columns)), rng.uniform(0, 1)
        want, got = picture.copy(), put(picture)
        how = {"layout": layout, "gain": 255.0}
        reference.blend(want, drawing, offset, mask, affine, top, left, opacity, **how)
        kernels.blend(got, put(drawing), put(offset), put(mask), affine, top, left, opacity, **how)
        apart = np.abs(got.astype(int) - want)
        assert apart.max() <= 1 and (apart > 0).mean() < 0.001       # a level where a sum lies on a rounding edge


@pytest.mark.parametrize("opacity", [1.0, 0.4])
def test_the_whole_paste_equals_the_animators(put, seat, opacity):
    picture, patch, drawing = seat
    surround, mask = patch.surround[..., 0].copy(), patch.mask[..., 0].copy()
    offset = matched(put, drawing, patch.seen, surround)
    got = put(picture)
    kernels.blend(got, put(drawing), offset, put(mask), patch.affine, patch.top, patch.left, opacity)
    want = paste.blend(picture, patch, drawing, opacity)
    apart = np.abs(got.astype(int) - want)
    assert (want != picture).any()
    # OpenCV rounds places to 1/32 px: up to 1/64 px times the steepest slope of the picture.
    assert apart.max() <= 3 and apart.mean() < 0.02


def test_no_opacity_changes_nothing(put, seat):
    picture, patch, drawing = seat
    got = put(picture)
    kernels.blend(got, put(drawing), put(np.zeros((1, 1, 3), np.float32)), put(patch.mask[..., 0].copy()),
                  patch.affine, patch.top, patch.left, 0.0)
    assert np.array_equal(got, picture)


def test_identity_lays_the_drawing_in(put):
    rng = np.random.default_rng(5)
    picture, drawing = rng.integers(0, 256, (2, 40, 50, 3), np.uint8)
    got = put(picture)
    kernels.blend(got, put(drawing.astype(np.float32)), put(np.zeros((1, 1, 3), np.float32)),
                  put(np.ones((40, 50), np.float32)), np.eye(2, 3), 0, 0)
    assert np.array_equal(got, drawing)


def test_a_region_outside_the_picture_is_refused(put):
    picture, drawing = put(np.zeros((20, 20, 3), np.uint8)), put(np.zeros((8, 8, 3), np.float32))
    offset, mask = put(np.zeros((1, 1, 3), np.float32)), put(np.ones((10, 10), np.float32))
    with pytest.raises(ValueError, match=r"mask of 10 x 10 px at \(11, 0\) does not lie in the picture of 20 x 20 px"):
        kernels.blend(picture, drawing, offset, mask, np.eye(2, 3), 11, 0)
    with pytest.raises(ValueError, match="no inverse"):
        kernels.blend(picture, drawing, offset, mask, np.zeros((2, 3)), 0, 0)
