import numpy as np
import pytest

from limner.models.windowing import PreEmphasis, Windower

X = np.arange(1, 1001, dtype=float)


def run(framer, sizes):
    at, out = 0, []
    for n in sizes:
        out.append(framer.push(X[at:at + n]).copy())
        at += n
    out.append(framer.flush().copy())
    return np.concatenate(out)


@pytest.mark.parametrize("lead,reflect", [(0, False), (30, False), (50, True)])
def test_any_chunking_equals_one_pass(lead, reflect):
    whole = run(Windower(100, 40, lead, reflect=reflect), [1000])
    pieces = run(Windower(100, 40, lead, reflect=reflect), [1, 7, 0, 92, 300, 13, 587])
    assert np.array_equal(whole, pieces)


def test_windows_sit_where_they_should():
    windows = Windower(100, 40, 30).push(X)
    assert (windows[0, :30] == 0).all() and windows[0, 30] == 1
    assert windows[3, 0] == 3 * 40 - 30 + 1


def test_reflection_mirrors_without_repeating_the_edge():
    windows = run(Windower(100, 20, 50, reflect=True), [1000])
    assert windows[0, 50] == 1 and windows[0, 49] == 2 and windows[0, 0] == 51
    assert windows[-1, 49] == windows[-1].max() == 1000 and windows[-1, 50] == windows[-1, 48] == 999


def test_flush_covers_every_sample():
    for n in (5, 100, 101, 139, 140, 141):
        framer = Windower(100, 40)
        windows = np.concatenate([framer.push(X[:n]).copy(), framer.flush()])
        assert windows.max() == n


def test_pre_emphasis_carries_over_chunks():
    one, two = PreEmphasis(0.9), PreEmphasis(0.9)
    whole = one.push(X)
    assert np.array_equal(whole, np.concatenate([two.push(X[:3]), two.push(X[3:3]), two.push(X[3:])]))
    assert whole[0] == 1 and whole[1] == pytest.approx(2 - 0.9)
