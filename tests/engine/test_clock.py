"""Ticks, and clocks that are told what time it is."""

import asyncio
from fractions import Fraction

import numpy as np
import pytest

from limner.engine.clock import (
    SAMPLE_RATE,
    TICKS,
    DeviceClock,
    ManualClock,
    MonotonicClock,
    frame_duration,
    milliseconds,
    samples_from_ticks,
    seconds,
    ticks_from_samples,
    ticks_from_seconds,
)


@pytest.mark.parametrize(("fps", "ticks"), [(24, 3750), (25, 3600), (30, 3000), (50, 1800), (60, 1500)])
def test_usual_rates_are_whole_ticks(fps, ticks):
    assert frame_duration(fps) == ticks


def test_ntsc_is_whole_ticks_too():
    assert frame_duration(Fraction(30000, 1001)) == 3003


def test_a_rate_off_the_grid_is_refused():
    with pytest.raises(ValueError, match="use 24, 25, 30, 50 or 60"):
        frame_duration(7 * 11)


def test_samples_and_ticks_agree():
    assert ticks_from_samples(SAMPLE_RATE) == TICKS
    assert samples_from_ticks(TICKS) == SAMPLE_RATE
    assert all(samples_from_ticks(ticks_from_samples(n)) in (n - 1, n) for n in range(1000))
    assert ticks_from_samples(48_000, 48_000) == TICKS


def test_an_hour_of_frames_and_sound_does_not_drift():
    """Positions are products of whole numbers, so frame and sample of the same instant stay together exactly."""
    hour = 3600
    for fps in (24, 25, 30, 50, 60):
        assert hour * fps * frame_duration(fps) == hour * TICKS == ticks_from_samples(hour * SAMPLE_RATE)


def test_display_units():
    assert seconds(45_000) == 0.5
    assert milliseconds(900) == 10
    assert ticks_from_seconds(0.02) == 1800


def test_monotonic_clock_does_not_run_back():
    clock = MonotonicClock()
    readings = [clock.now() for _ in range(100)]
    assert readings == sorted(readings)
    assert readings[0] >= 0


async def test_manual_clock_wakes_sleepers_in_order_at_their_own_instant():
    clock, woken = ManualClock(), []

    async def sleeper(at):
        await clock.sleep_until(at)
        woken.append((at, clock.now()))

    tasks = [asyncio.create_task(sleeper(at)) for at in (300, 100, 200, 100)]
    await clock.settle()
    await clock.advance(250)
    assert woken == [(100, 100), (100, 100), (200, 200)]
    await clock.advance(50)
    assert woken[-1] == (300, 300)
    await asyncio.gather(*tasks)


async def test_manual_clock_lets_a_sleeper_sleep_again_within_one_advance():
    clock, ticks = ManualClock(), []

    async def ticker():
        for k in range(1, 6):
            await clock.sleep_until(k * 10)
            ticks.append(clock.now())

    task = asyncio.create_task(ticker())
    await clock.settle()
    await clock.advance(100)
    assert ticks == [10, 20, 30, 40, 50]
    assert clock.now() == 100
    await task


async def test_manual_clock_forgets_a_cancelled_sleeper():
    clock = ManualClock()
    task = asyncio.create_task(clock.sleep_until(50))
    await clock.settle()
    task.cancel()
    await clock.advance(100)
    assert task.cancelled()


def test_manual_nanoseconds_follow_the_ticks():
    clock = ManualClock()
    clock._now = 90_000
    assert clock.now_ns() == 1_000_000_000


async def follow(ppm, minutes, jitter_ms=0.0, block=320):
    """Offsets in ms between a device that is `ppm` fast and the clock that follows it, over time."""
    base = ManualClock()
    clock = DeviceClock(base)
    rng = np.random.default_rng(1)
    offsets, previous = [], 0
    for k in range(1, minutes * 60 * SAMPLE_RATE // block):
        captured = round(ticks_from_samples(k * block) / (1 + ppm * 1e-6)) + round(rng.uniform(0, jitter_ms) * 90)
        await base.advance(max(0, captured - base.now()))
        clock.observe(k * block)
        assert clock.now() >= previous, "the clock ran back"
        previous = clock.now()
        offsets.append(milliseconds(ticks_from_samples(k * block) - clock.now()))
    return np.array(offsets)


@pytest.mark.parametrize("ppm", [-200, -50, 200])
async def test_device_clock_follows_drift(ppm):
    """200 ppm unfollowed would be 24 ms after two minutes; the loop stays within its own lag, 0.2 ms."""
    offsets = await follow(ppm, minutes=2)
    assert np.abs(offsets - offsets[0]).max() < 0.5


async def test_device_clock_filters_jitter():
    """Blocks that come up to 10 ms late move the clock by well under a millisecond from one to the next."""
    offsets = await follow(100, minutes=1, jitter_ms=10)
    late = offsets[len(offsets) // 2 :]
    assert late.std() < 4          # the uniform jitter itself has 2.9 ms; the clock must not add to it
    assert abs(late.mean() - offsets[:500].mean()) < 2


async def test_device_clock_takes_a_stall_for_a_stall():
    base = ManualClock()
    clock = DeviceClock(base)
    for k in range(1, 50):
        await base.advance(1800)
        clock.observe(k * 320)
    await base.advance(10 * TICKS)           # unplugged for ten seconds
    before = clock.now()
    for k in range(50, 150):
        await base.advance(1800)
        clock.observe(k * 320)
    assert abs(clock.now() - before - 100 * 1800) <= 10


async def test_device_clock_sleeps_in_device_time():
    base = ManualClock()
    clock = DeviceClock(base)
    for k in range(1, 3000):
        await base.advance(round(1800 / 1.0002))
        clock.observe(k * 320)
    target = clock.now() + TICKS
    task = asyncio.create_task(clock.sleep_until(target))
    await base.settle()
    await base.advance(TICKS - 5000)
    assert not task.done()
    await base.advance(5000)
    assert task.done()
    assert clock.now() >= target


def test_device_clock_reads_nanoseconds_of_its_base():
    base = ManualClock()
    assert DeviceClock(base).now_ns() == base.now_ns()
