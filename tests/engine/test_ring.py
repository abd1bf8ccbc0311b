"""Rings against a plain array that remembers everything."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from limner.engine.errors import ContractError
from limner.engine.ring import FeatureRing, SampleRing
from limner.engine.types import FeatureRows


@given(st.lists(st.integers(0, 70), max_size=12), st.data())
def test_samples_read_back_as_written(sizes, data):
    ring, all_ = SampleRing(50), np.zeros(0, np.float32)
    for size in sizes:
        part = np.arange(len(all_), len(all_) + size, dtype=np.float32)
        ring.write(part)
        all_ = np.concatenate([all_, part])
    assert ring.head == len(all_)
    start = data.draw(st.integers(max(0, ring.head - 50), ring.head))
    count = data.draw(st.integers(0, ring.head - start))
    assert np.array_equal(ring.read(start, count), all_[start : start + count])


def test_what_is_gone_or_not_yet_there_is_refused():
    ring = SampleRing(10)
    ring.write(np.zeros(25, np.float32))
    with pytest.raises(IndexError, match=r"15\.\.25 are held"):
        ring.read(14, 2)
    with pytest.raises(IndexError):
        ring.read(20, 6)


def test_rewind_forgets_the_newest():
    ring = SampleRing(10)
    ring.write(np.arange(8, dtype=np.float32))
    ring.rewind(5)
    ring.write(np.array([50, 60], np.float32))
    assert ring.read(3, 4).tolist() == [3, 4, 50, 60]
    with pytest.raises(IndexError):
        ring.rewind(9)


def test_a_read_is_a_copy():
    ring = SampleRing(10)
    ring.write(np.ones(10, np.float32))
    held = ring.read(0, 10)
    ring.write(np.zeros(10, np.float32))
    assert held.all()


def rows(first, count, pts, width=2, step=900):
    """Rows whose values are their own index since pts 0."""
    values = np.arange(first, first + count, dtype=np.float32)
    return FeatureRows(np.repeat(values[:, None], width, 1), pts, values % 2 == 0, 1000 + first + count)


def test_window_is_centred_on_the_row_at_or_before_the_instant():
    ring = FeatureRing(20, 2, 900)
    ring.push(rows(0, 10, 0))
    window = ring.window(4500, 2, 1)
    assert window.rows[:, 0].tolist() == [3, 4, 5, 6]
    assert (window.pts, window.offset, window.step) == (4500, 0, 900)
    assert window.voiced.tolist() == [False, True, False, True]
    between = ring.window(4501 + 800, 2, 1)
    assert between.rows[:, 0].tolist() == [3, 4, 5, 6]
    assert between.offset == 801


def test_rows_outside_repeat_the_nearest():
    ring = FeatureRing(20, 2, 900)
    ring.push(rows(0, 3, 0))
    assert ring.window(0, 2, 0).rows[:, 0].tolist() == [0, 0, 0]
    assert ring.window(1800, 0, 3).rows[:, 0].tolist() == [2, 2, 2, 2]
    assert ring.window(900 * 50, 1, 1).rows[:, 0].tolist() == [2, 2, 2]


def test_only_the_newest_rows_are_held():
    ring = FeatureRing(4, 2, 900)
    ring.push(rows(0, 10, 0))
    assert ring.window(0, 0, 0).rows[0, 0] == 6
    assert ring.covered == 9 * 900


@given(st.lists(st.integers(1, 9), min_size=1, max_size=10))
def test_any_chunking_gives_the_same_windows(sizes):
    whole, parts = FeatureRing(40, 2, 900), FeatureRing(40, 2, 900)
    total = sum(sizes)
    whole.push(rows(0, total, 0))
    at = 0
    for size in sizes:
        parts.push(rows(at, size, at * 900))
        at += size
    for pts in range(max(0, total - 30) * 900, total * 900, 450):
        assert np.array_equal(whole.window(pts, 3, 2).rows, parts.window(pts, 3, 2).rows)


def test_captured_is_the_newest_in_the_window():
    ring = FeatureRing(20, 2, 900)
    ring.push(rows(0, 2, 0))
    ring.push(rows(2, 2, 1800))
    assert ring.window(0, 0, 1).captured_ns == 1002
    assert ring.window(900, 0, 1).captured_ns == 1004


def test_rows_that_break_the_contract_are_refused():
    ring = FeatureRing(20, 2, 900)
    with pytest.raises(ContractError, match=r"\[n, 2\]"):
        ring.push(rows(0, 2, 0, width=3))
    ring.push(rows(0, 2, 0))
    with pytest.raises(ContractError, match="1800 follow"):
        ring.push(rows(2, 2, 2700))


def test_an_empty_ring_says_so():
    ring = FeatureRing(20, 2, 900)
    assert ring.covered is None
    with pytest.raises(IndexError, match="no feature rows yet"):
        ring.window(0, 0, 0)


def test_restart_lays_the_past_on_the_new_grid():
    ring = FeatureRing(20, 2, 900)
    ring.push(rows(0, 10, 0))
    ring.restart(4800, keep=3)               # a third of a row past row 5
    assert ring.covered == 3900
    assert ring.window(3900, 2, 0).rows[:, 0].tolist() == [2, 3, 4]
    ring.push(rows(100, 2, 4800))
    window = ring.window(4800, 3, 1)
    assert window.rows[:, 0].tolist() == [2, 3, 4, 100, 101]
    assert window.offset == 0


def test_restart_of_an_empty_ring_holds_nothing():
    ring = FeatureRing(20, 2, 900)
    ring.restart(1800, keep=5)
    assert ring.covered is None
    ring.push(rows(0, 1, 1800))
    assert ring.covered == 1800


def test_rings_do_not_grow():
    ring = FeatureRing(50, 2, 900)
    before = ring._rows.nbytes
    for k in range(1000):
        ring.push(rows(k * 3, 3, k * 2700))
    assert ring._rows.nbytes == before
