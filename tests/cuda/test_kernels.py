"""Launchers: what they refuse and how they say it; on a GPU, that they work on CuPy's own arrays and stream."""

import numpy as np
import pytest

from limner.cuda import kernels, reference


@pytest.fixture
def warped(put):
    return put(np.zeros((1, 4, 5, 3), np.float32)), put(np.zeros((1, 2, 2, 2), np.float32))


def test_wrong_dtypes_are_refused(put, warped):
    _, places = warped
    with pytest.raises(TypeError, match="image is float64, expected u8 or f16 or f32"):
        kernels.warp(put(np.zeros((1, 4, 5, 3))), places)
    with pytest.raises(TypeError, match="theta is float16, expected f32"):
        kernels.affine(put(np.zeros((1, 2, 4, 4), np.float32)), put(np.zeros((1, 2, 2, 3), np.float16)))


def test_wrong_shapes_are_refused(put, warped):
    image, places = warped
    with pytest.raises(ValueError, match=r"image has shape \(4, 5, 3\), expected \(n, n, n, n\)"):
        kernels.warp(image[0].copy(), places)
    with pytest.raises(ValueError, match=r"places has shape \(1, 2, 2, 2\), expected \(2, n, n, 2\)"):
        kernels.warp(put(np.zeros((2, 4, 5, 3), np.float32)), places)
    with pytest.raises(ValueError, match=r"image has shape \(1, 0, 5, 3\)"):
        kernels.warp(put(np.zeros((1, 0, 5, 3), np.float32)), places)
    with pytest.raises(ValueError, match="rgb has 2 channels, expected 3"):
        kernels.colour(put(np.zeros((1, 4, 4, 2), np.uint8)))


def test_wrong_words_are_refused(warped):
    image, places = warped
    with pytest.raises(ValueError, match="border is 'wrap', expected one of zeros, border, reflect"):
        kernels.warp(image, places, border="wrap")
    with pytest.raises(ValueError, match="how is 'lanczos'"):
        kernels.warp(image, places, how="lanczos")


def test_strides_and_odd_addresses_are_refused(put, warped):
    _, places = warped
    wide = put(np.zeros((1, 4, 10, 4), np.uint8))
    with pytest.raises(ValueError, match="image is not C-contiguous from a multiple of 16 bytes"):
        kernels.warp(wide[:, :, ::2], places)
    with pytest.raises(ValueError, match="image is not C-contiguous from a multiple of 16 bytes"):
        kernels.warp(wide.reshape(-1)[4:4 + 48].reshape(1, 3, 4, 4), places)


def test_arrays_elsewhere_are_refused(warped):
    image, places = warped
    with pytest.raises(TypeError, match=r"image is a builtins\.list, expected a CuPy array on the current CUDA device"):
        kernels.warp([image], places)


def test_a_wrong_output_is_refused(put, warped):
    with pytest.raises(ValueError, match=r"out has shape \(1, 2, 2, 4\), expected \(1, 2, 2, 3\)"):
        kernels.warp(*warped, out=put(np.zeros((1, 2, 2, 4), np.float32)))
    with pytest.raises(TypeError, match="out is float16, expected f32"):
        kernels.warp(*warped, out=put(np.zeros((1, 2, 2, 3), np.float16)))


def test_too_large_a_batch_is_refused(put):
    feature = put(np.zeros((65536, 2, 1, 1), np.float16))
    with pytest.raises(ValueError, match="expected at most 65535 blocks"):
        kernels.affine(feature, put(np.zeros((65536, 2, 2, 3), np.float32)))


@pytest.mark.parametrize("name", ["warp", "affine", "raster", "correlation", "match", "blend", "colour"])
def test_twins_take_the_same_arguments(name):
    """What a launcher adds are arrays to write to, all of them optional."""
    from inspect import signature

    launcher, twin = (signature(getattr(module, name)).parameters for module in (kernels, reference))
    added = [launcher[key] for key in launcher if key not in twin]
    assert [key for key in launcher if key in twin] == list(twin)
    assert all(launcher[key].default == twin[key].default and launcher[key].kind == twin[key].kind for key in twin)
    assert all(parameter.default is None for parameter in added)


@pytest.fixture
def cupy():
    module = pytest.importorskip("cupy")
    if not module.cuda.is_available():
        pytest.skip("no CUDA device")
    return module


@pytest.mark.gpu
def test_device_arrays_go_in_and_out(cupy):
    rng = np.random.default_rng(1)
    feature, theta = rng.uniform(-1, 1, (2, 8, 26, 20)).astype("f4"), rng.uniform(-1, 1, (2, 8, 2, 3)).astype("f4")
    with cupy.cuda.Stream(non_blocking=True):
        there = kernels.affine(cupy.asarray(feature), cupy.asarray(theta))
        back = cupy.asnumpy(there)
    assert np.abs(back - reference.affine(feature, theta)).max() < 3e-5
    with pytest.raises(TypeError, match=r"feature is a numpy\.ndarray"):
        kernels.affine(feature, theta)


@pytest.mark.gpu
def test_nothing_is_allocated_after_the_first_call(cupy):
    rgb = cupy.zeros((8, 1080, 1920, 4), np.uint8)
    out, alpha = kernels.colour(rgb)
    pool = cupy.get_default_memory_pool()
    before = pool.used_bytes(), pool.total_bytes()
    for _ in range(50):
        kernels.colour(rgb, out=out, alpha=alpha)
    assert (pool.used_bytes(), pool.total_bytes()) == before


@pytest.mark.gpu
def test_kernels_are_captured_and_replayed(cupy):
    """As a replayed graph needs: no allocation and no copy in between, results in the same arrays."""
    rng = np.random.default_rng(2)
    image, places = cupy.asarray(rng.uniform(0, 1, (1, 30, 40, 3)).astype("f4")), cupy.zeros((1, 30, 40, 2), "f4")
    out = cupy.empty_like(image)
    stream = cupy.cuda.Stream(non_blocking=True)
    with stream:
        kernels.warp(image, places, out=out)
        stream.begin_capture()
        kernels.warp(image, places, out=out)
        graph = stream.end_capture()
        y, x = np.mgrid[:30, :40].astype("f4")
        places.set(np.stack([x, y], -1)[None], stream)
        graph.launch(stream)
        stream.synchronize()
    assert np.array_equal(cupy.asnumpy(out), cupy.asnumpy(image))
