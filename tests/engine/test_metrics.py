"""Counters and histograms are numbers and stay right."""

import json

import numpy as np
import pytest

from limner.engine.clock import TICKS, TICKS_PER_MS
from limner.engine.metrics import HOPS, Histogram, Metrics, Pace


@pytest.mark.parametrize("q", [0.05, 0.5, 0.95, 0.99])
def test_quantiles_are_right_to_half_a_bucket(q):
    values = np.random.default_rng(0).lognormal(17, 1.0, 20_000).astype(int)       # around 24 ms
    histogram = Histogram()
    for value in values:
        histogram.add(int(value))
    assert histogram.quantile(q) == pytest.approx(np.quantile(values, q) / 1e6, rel=0.015)      # half of 2.2 per cent


def test_snapshot_of_a_histogram():
    histogram = Histogram()
    for ms in (1, 2, 3):
        histogram.add(ms * 1_000_000)
    snapshot = histogram.snapshot()
    assert snapshot["count"] == 3
    assert snapshot["mean"] == 2
    assert snapshot["max"] == 3
    assert snapshot["p95"] <= snapshot["max"]


def test_counts_below_a_bound_are_right_to_a_bucket():
    values = np.random.default_rng(1).lognormal(17, 1.0, 5_000).astype(int)
    histogram = Histogram()
    for value in values:
        histogram.add(int(value))
    for bound in (1, 5_000_000, 24_000_000, 200_000_000, 10**12):
        assert (values < bound / 1.022).sum() <= histogram.at_most(bound) <= (values <= bound).sum()


def test_an_empty_histogram_is_zero():
    assert set(Histogram().snapshot().values()) == {0}


def test_extremes_fit():
    histogram = Histogram()
    for ns in (-5, 0, 1, 10**15):
        histogram.add(ns)
    assert histogram.count == 4
    assert histogram.max_ns == 10**15


def test_snapshot_is_flat_numbers_that_json_takes():
    metrics = Metrics()
    metrics.count("pictures", 3)
    metrics.count("pictures")
    metrics.gauge("governor_step", 2)
    metrics.time("draw", 5_000_000)
    snapshot = metrics.snapshot()
    assert snapshot["pictures"] == 4
    assert snapshot["governor_step"] == 2
    assert snapshot["draw_ms_max"] == 5
    assert {f"{hop}_ms_p95" for hop in HOPS} <= set(snapshot)
    assert all(isinstance(value, int | float) for value in json.loads(json.dumps(snapshot)).values())


def test_the_pace_is_that_of_the_last_second_and_the_skew_that_of_the_newest_picture():
    metrics = Metrics()
    pace = Pace(metrics)
    for k in range(50):
        pace.played(2 * TICKS_PER_MS)
        pace.shown(k * TICKS // 25, 5 * TICKS_PER_MS, new=k % 2 == 0)
    assert metrics.gauges == {"fps": 12, "skew_ms": 3}
    for k in range(50, 75):
        pace.shown(k * TICKS // 25, 0, new=False)
    assert metrics.gauges == {"fps": 0, "skew_ms": -2}


def test_an_unknown_hop_is_a_mistake():
    with pytest.raises(KeyError):
        Metrics().time("lunch", 1)


def test_a_time_that_is_added_while_quantiles_are_read_breaks_nothing():
    """The lane's thread raises `count` a moment after, or before, the loop has read the buckets."""
    histogram = Histogram()
    histogram.add(5_000_000)
    histogram.count = 2
    assert histogram.quantile(0.95) == pytest.approx(5, rel=0.03)
