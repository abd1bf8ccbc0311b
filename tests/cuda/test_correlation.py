"""`correlation`: the kernel's own source against its twin, and the twin against the network's lookup."""

import numpy as np
import pytest

from limner.cuda import kernels, reference


def case(rng, batch, channels, height, width, spread, kind="f4"):
    """Queries, four levels of keys by 2x2 means (a last odd row or column is dropped), and places."""
    queries, keys = (rng.standard_normal((batch, height, width, channels)).astype(kind) for _ in range(2))
    levels = [keys]
    for _ in range(3):
        last = levels[-1].astype(np.float32)
        even = last[:, :last.shape[1] // 2 * 2, :last.shape[2] // 2 * 2]
        shape = (batch, even.shape[1] // 2, 2, even.shape[2] // 2, 2, channels)
        levels.append(even.reshape(shape).mean((2, 4)).astype(kind))
    y, x = np.mgrid[:height, :width]
    coords = np.stack([x, y])[None] + spread * rng.standard_normal((batch, 2, height, width))
    return queries, levels, coords.astype(np.float32)


def launch(put, queries, levels, coords):
    return kernels.correlation(put(queries), [put(k) for k in levels], put(coords))


@pytest.mark.parametrize("kind", ["f2", "f4"])
@pytest.mark.parametrize("channels", [4, 84, 128])
@pytest.mark.parametrize("size", [(8, 8), (16, 16), (17, 22), (31, 9)])
def test_kernel_equals_its_twin(put, kind, channels, size):
    given = case(np.random.default_rng(channels), 2, channels, *size, 4.0, kind)
    # Sums of up to 128 products of size 1 over sqrt(128), in float32 in both whatever the inputs are.
    np.testing.assert_allclose(launch(put, *given), reference.correlation(*given), atol=2e-5, rtol=0)


@pytest.mark.parametrize("spread", [0.0, 3.0, 200.0])
def test_twin_equals_the_network(spread):
    torch = pytest.importorskip("torch")
    from limner.models.amt.correlation import OnDemand

    rng = np.random.default_rng(3)
    a, b = (torch.from_numpy(rng.standard_normal((2, 12, 17, 22)).astype(np.float32)) for _ in range(2))
    lookup = OnDemand(a, b)
    coords = rng.uniform(-5 - spread, 25 + spread, (2, 2, 2, 17, 22)).astype(np.float32)
    last = [[level.permute(0, 2, 3, 1).contiguous().numpy() for level in levels]
            for levels in (lookup._first, lookup._second)]
    ahead = reference.correlation(last[0][0], last[1], coords[0])
    back = reference.correlation(last[1][0], last[0], coords[1])
    want = lookup.read(torch.from_numpy(coords[0]), torch.from_numpy(coords[1])).numpy()
    np.testing.assert_allclose(np.concatenate([ahead, back], 1), want, atol=1e-5, rtol=0)     # order of sums


def test_windows_are_transposed_as_published(put):
    """At whole places a window holds plain dot products, x along its rows."""
    queries, levels, coords = case(np.random.default_rng(4), 1, 16, 16, 16, 0.0)
    coords[...] = np.float32([5, 9]).reshape(1, 2, 1, 1)
    out = launch(put, queries, levels, coords)
    for i, j in ((0, 0), (0, 6), (3, 3), (6, 0), (5, 2)):
        want = queries[0, 4, 7] @ levels[0][0, 9 + j - 3, 5 + i - 3] / 4
        assert abs(out[0, 7 * i + j, 4, 7] - want) < 1e-5


@pytest.mark.parametrize("place", [np.nan, np.inf, -np.inf, 1e30, -1e9])
def test_places_that_are_not_sane_read_zero(put, place):
    queries, levels, coords = case(np.random.default_rng(5), 1, 4, 8, 8, 0.0)
    coords[...] = place
    assert not reference.correlation(queries, levels, coords).any()
    assert not launch(put, queries, levels, coords).any()


def test_wrong_levels_are_refused(put):
    queries, levels, coords = (case(np.random.default_rng(6), 1, 4, 16, 16, 0.0))
    with pytest.raises(ValueError, match="3 levels of keys, expected 4"):
        launch(put, queries, levels[:3], coords)
    with pytest.raises(ValueError, match=r"keys\[2\] has shape \(1, 8, 8, 4\), expected \(1, 4, 4, 4\)"):
        launch(put, queries, [levels[0], levels[1], levels[1], levels[3]], coords)
    with pytest.raises(ValueError, match="3 channels, expected a multiple of 4"):
        launch(put, queries[..., :3].copy(), [k[..., :3].copy() for k in levels], coords)
