"""`warp`: the kernel's own source against its twin, and the twin against OpenCV and torch."""

import cv2
import numpy as np
import pytest

from limner.cuda import kernels, reference

KINDS = {"u1": 1, "f2": 3e-3, "f4": 4e-6}        # one level; two steps of float16 below 4; a few of float32
BORDERS = ("zeros", "border", "reflect")


def make(rng, kind, batch, height, width, channels, layout):
    shape = (batch, height, width, channels) if layout == "hwc" else (batch, channels, height, width)
    return rng.integers(0, 256, shape).astype("u1") if kind == "u1" else rng.uniform(-1, 1, shape).astype(kind)


def compare(put, rng, kind, how, border, layout, channels, size, out, spread=1.5):
    image = make(rng, kind, 2, *size, channels, layout)
    reach = np.array(size[::-1], np.float32)
    places = (rng.uniform(-spread, 1 + spread, (2, *out, 2)) * reach).astype(np.float32)
    want = reference.warp(image, places, layout=layout, how=how, border=border)
    got = kernels.warp(put(image), put(places), layout=layout, how=how, border=border)
    assert got.shape == want.shape and got.dtype == want.dtype
    # Sums run in another order; bicubic weights have a size of up to 2.2 together, more in magnitude than 1.
    apart = np.abs(got.astype(np.float32) - want.astype(np.float32)).max()
    assert apart <= KINDS[kind], (kind, how, border, layout, channels, size, out)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("how", ["bilinear", "bicubic"])
@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize("layout", ["hwc", "chw"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_kernel_equals_its_twin(put, kind, how, border, layout, channels):
    compare(put, np.random.default_rng(1), kind, how, border, layout, channels, (19, 23), (31, 45))


def random_shapes(put, count, seed):
    rng = np.random.default_rng(seed)
    for _ in range(count):
        kind, how = rng.choice(list(KINDS)), rng.choice(["bilinear", "bicubic"])
        border, layout = rng.choice(BORDERS), rng.choice(["hwc", "chw"])
        size, out = rng.integers(1, 40, 2).tolist(), rng.integers(1, 48, 2).tolist()
        compare(put, rng, kind, how, border, layout, int(rng.integers(1, 6)), tuple(size), tuple(out), rng.uniform(0, 3))


def test_kernel_equals_its_twin_on_a_thousand_shapes(put):
    random_shapes(put, 1000, 2)


@pytest.mark.slow
def test_kernel_equals_its_twin_on_ten_thousand_shapes(put):
    random_shapes(put, 10_000, 3)


@pytest.mark.parametrize("how", ["bilinear", "bicubic"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("border", BORDERS)
def test_identity_is_exact(put, how, kind, border):
    image = make(np.random.default_rng(4), kind, 1, 13, 17, 4, "hwc")
    y, x = np.mgrid[:13, :17].astype(np.float32)
    places = np.stack([x, y], -1)[None]
    assert np.array_equal(reference.warp(image, places, how=how, border=border), image)
    assert np.array_equal(kernels.warp(put(image), put(places), how=how, border=border), image)


@pytest.mark.parametrize("border", BORDERS)
def test_places_that_are_not_sane_read_something_defined(put, border):
    image = np.ones((1, 5, 6, 1), np.float32)
    places = np.array([np.nan, np.inf, -np.inf, 1e30, -1e30, 3e9], np.float32).reshape(1, 1, 3, 2)
    want = reference.warp(image, places, border=border)
    assert np.array_equal(kernels.warp(put(image), put(places), border=border), want)
    assert (want == (0 if border == "zeros" else 1)).all()


@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize("how", ["bilinear", "bicubic"])
def test_twin_equals_opencv(how, border):
    rng = np.random.default_rng(5)
    image = rng.uniform(0, 1, (20, 24, 3)).astype(np.float32)
    # OpenCV rounds places to 1/32 px: such places are asked for.
    places = (rng.integers(-10 * 32, 34 * 32, (30, 40, 2)) / 32).astype(np.float32)
    flags = {"bilinear": cv2.INTER_LINEAR, "bicubic": cv2.INTER_CUBIC}[how]
    edge = {"zeros": cv2.BORDER_CONSTANT, "border": cv2.BORDER_REPLICATE, "reflect": cv2.BORDER_REFLECT_101}[border]
    want = cv2.remap(image, places[..., 0], places[..., 1], flags, borderMode=edge)
    got = reference.warp(image[None], places[None], how=how, border=border)[0]
    assert np.abs(got - want).max() < 2e-6                   # float32 rounding of values in 0..1


@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize("how", ["bilinear", "bicubic"])
def test_twin_equals_grid_sample(how, border):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(6)
    image = rng.uniform(0, 1, (2, 3, 20, 24)).astype(np.float32)
    places = rng.uniform(-8, 30, (2, 15, 16, 2)).astype(np.float32)
    grid = torch.from_numpy(2 * places / np.array([23, 19], np.float32) - 1)
    mode = {"border": "border", "zeros": "zeros", "reflect": "reflection"}[border]
    want = torch.nn.functional.grid_sample(torch.from_numpy(image), grid, how, mode, align_corners=True).numpy()
    got = reference.warp(image, places, layout="chw", how=how, border=border)
    assert np.abs(got - want).max() < 2e-5                   # the sampler scales places to -1..1 and back
