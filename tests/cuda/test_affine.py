"""`affine` (AdaAT): the kernel's own source against its twin, the twin against the network's operator and golden cases."""

import math

import numpy as np
import pytest

from limner.cuda import kernels, reference

SLACK = {"f2": 3e-3, "f4": 3e-5}                 # on values within 4: half an ulp of float16 each; float32 places within 60 px


def make(rng, kind, batch, count, height, width, far=1.0):
    feature = rng.uniform(-1, 1, (batch, count, height, width)).astype(kind)
    scale, angle = rng.uniform(0, 2, (batch, count)), rng.uniform(-np.pi, np.pi, (batch, count))
    cos, sin = scale * np.cos(angle), scale * np.sin(angle)
    shift = far * rng.uniform(-1, 1, (2, batch, count))
    theta = np.stack([cos, -sin, shift[0], sin, cos, shift[1]], -1).reshape(batch, count, 2, 3)
    return feature, theta.astype(np.float32)


def compare(put, feature, theta, mixed):
    want = reference.affine(feature, theta, mixed=mixed)
    got = kernels.affine(put(feature), put(theta), mixed=mixed)
    assert got.shape == want.shape and got.dtype == want.dtype
    apart = np.abs(got.astype(np.float32) - want.astype(np.float32)).max()
    assert apart <= SLACK[feature.dtype.str[1:]], (feature.shape, mixed)


def random_shapes(put, count, seed):
    rng = np.random.default_rng(seed)
    for _ in range(count):
        batch, height, width = (int(rng.integers(1, top)) for top in (3, 40, 40))
        feature, theta = make(rng, rng.choice(list(SLACK)), batch, int(rng.integers(2, 9)), height, width, rng.uniform(0, 3))
        compare(put, feature, theta, bool(rng.integers(2)))


def test_kernel_equals_its_twin_on_a_thousand_shapes(put):
    random_shapes(put, 1000, 1)


@pytest.mark.slow
def test_kernel_equals_its_twin_on_ten_thousand_shapes(put):
    random_shapes(put, 10_000, 2)


@pytest.mark.parametrize("kind", SLACK)
def test_kernel_equals_its_twin_at_the_size_in_use(put, kind):
    compare(put, *make(np.random.default_rng(3), kind, 1, 256, 52, 40), False)


@pytest.mark.parametrize("mixed", [False, True])
def test_twin_equals_the_network(mixed):
    torch = pytest.importorskip("torch")
    from limner.models.dinet.adaat import mix_channels, sample_channels

    feature, theta = make(np.random.default_rng(4), "f4", 2, 17, 26, 21)
    tensor = torch.from_numpy(feature)
    want = sample_channels(tensor if mixed else mix_channels(tensor), torch.from_numpy(theta)).numpy()
    assert np.abs(reference.affine(feature, theta, mixed=mixed) - want).max() < 1e-5     # float32 places within 30 px


def test_equals_the_published_operator(put, shared):
    torch = pytest.importorskip("torch")
    from limner.models.dinet.adaat import AdaAT
    from tests.golden import cases as golden

    paths = sorted((shared / "models/golden/dinet.adaat").glob("case_*.npz"))
    assert paths
    for path in paths:
        case = golden.read(path)
        feature, code = case.tensors()
        operator = golden.load(AdaAT(code.shape[1], feature.shape[1]), "dinet.adaat", case.seed)
        with torch.inference_mode():
            theta = operator.matrices(code).numpy()
        case.check("y", reference.affine(feature.numpy(), theta))
        case.check("y", kernels.affine(put(feature.numpy()), put(theta)))


def volume_sample(feature, theta):
    """The definition in float64: the map as one volume, trilinear, zero outside, corner by corner."""
    count, height, width = feature.shape
    out = np.zeros(feature.shape)
    xs, ys = np.linspace(-1, 1, width), np.linspace(-1, 1, height)
    for k, i, j in np.ndindex(out.shape):
        x, y = theta[k].astype(float) @ (xs[j], ys[i], 1.0)
        at = (k * count / (count - 1) - 0.5, ((y + 1) * height - 1) / 2, ((x + 1) * width - 1) / 2)
        low = [math.floor(a) for a in at]
        for corner in np.ndindex(2, 2, 2):
            spot = tuple(a + d for a, d in zip(low, corner, strict=True))
            if all(0 <= a < n for a, n in zip(spot, feature.shape, strict=True)):
                out[k, i, j] += feature[spot] * math.prod(1 - abs(a - s) for a, s in zip(at, spot, strict=True))
    return out


def test_twin_equals_the_volume():
    feature, theta = make(np.random.default_rng(5), "f4", 1, 6, 7, 5)
    assert np.abs(reference.affine(feature, theta)[0] - volume_sample(feature[0], theta[0])).max() < 3e-6


def test_identity_reads_the_published_places(put):
    """Scale 1, no turn, no shift: column x is read at x W / (W - 1) - 1/2; rows of a ramp along x do not matter."""
    width = 8
    ramp = np.broadcast_to(np.arange(width, dtype=np.float32), (1, 3, 6, width)).copy()
    theta = np.broadcast_to(np.float32([[1, 0, 0], [0, 1, 0]]), (1, 3, 2, 3)).copy()
    got = kernels.affine(put(ramp), put(theta), mixed=True)[0, 1, 2]
    inside = np.arange(1, width - 1)
    assert np.abs(got[inside] - (inside * width / (width - 1) - 0.5)).max() < 1e-5


def test_places_that_are_not_sane_read_zero(put):
    theta = np.full((1, 2, 2, 3), np.nan, np.float32)
    theta[0, 1] = [[1e30, 1e30, 3e30], [0, 0, 0]]
    feature = np.ones((1, 2, 5, 6), np.float32)
    assert not reference.affine(feature, theta).any()
    assert not kernels.affine(put(feature), put(theta)).any()


def test_written_to_the_callers_array(put):
    feature, theta = (put(a) for a in make(np.random.default_rng(6), "f4", 1, 4, 5, 6))
    out = put(np.zeros_like(feature))
    assert kernels.affine(feature, theta, out=out) is out and out.any()


def test_one_channel_cannot_be_mixed(put):
    feature, theta = make(np.random.default_rng(7), "f4", 1, 1, 4, 4)
    with pytest.raises(ValueError, match="1 channel, expected 2 or more"):
        kernels.affine(put(feature), put(theta))
