"""Slow models, late sound, crystals that differ, machines that sleep."""

from itertools import pairwise

import numpy as np
import pytest

from limner.engine.clock import TICKS, TICKS_PER_MS, milliseconds, samples_from_ticks
from limner.engine.schedule import Step
from limner.engine.testing import speech_like


def total(stage):
    return stage.session.metrics.hops["total"]


def expected(stage):
    """Where in the soundtrack a sample captured now lies."""
    return samples_from_ticks(stage.clock.now() - stage.session.due(0) + stage.session.latency())


def gap_free(sink):
    starts = [chunk.start for chunk in sink.sound]
    assert starts == list(range(0, 320 * len(starts), 320))


def words(samples):
    """The stretches of sound between silences, as exact sample arrays."""
    loud = np.flatnonzero(samples)
    edges = np.flatnonzero(np.diff(loud) > 1600)
    firsts = np.concatenate([loud[:1], loud[edges + 1]])
    lasts = np.concatenate([loud[edges], loud[-1:]])
    return [samples[a : b + 1] for a, b in zip(firsts, lasts, strict=True)]


def all_words_heard(stage, samples, skip=1):
    """Every word the microphone heard came out sample for sample; the first is faded in and the last cut by time."""
    spoken, heard = words(samples), words(stage.sink.heard)
    for a, b in zip(spoken[skip : len(heard) - 1], heard[skip:-1], strict=True):
        assert np.array_equal(a, b)
    return len(heard)


@pytest.mark.parametrize(("draws_per_second", "step"), [(22, Step.HALF), (12, Step.REPEAT), (5, Step.REPEAT)])
async def test_a_slow_model_costs_pictures_and_nothing_else(theatre, draws_per_second, step):
    samples = speech_like(60.0, seed=3)
    stage = theatre(samples, cost_ms=1000 / draws_per_second)
    await stage.advance(2000)
    first = len(stage.sink.sound)
    await stage.advance(58_000)
    sink, counters = stage.sink, stage.session.metrics.counters
    assert total(stage).quantile(0.99) <= 250
    delays = [at - chunk.pts for at, chunk in zip(sink.played_at, sink.sound, strict=True)]
    assert max(delays) - min(delays) == 0                       # the sound never stumbled
    assert all(milliseconds(b - a) == 20 for a, b in pairwise(sink.played_at[first:]))
    gap_free(sink)
    assert all_words_heard(stage, samples) > 30
    assert stage.session._schedule.governor.step is step
    assert counters[f"governor_entered_{step.name.lower()}"] == 1
    duration = {b.pts - a.pts for a, b in pairwise(sink.pictures)}
    assert duration == {3600}
    gauges = stage.session.metrics.gauges
    assert abs(gauges["fps"] - (25 if step is Step.HALF else draws_per_second)) <= 1
    assert abs(gauges["skew_ms"]) <= 20
    if step is Step.HALF:
        assert counters["pictures_between"] > 700
        assert counters["pictures_repeat"] < 10
    else:
        assert counters["pictures_key"] >= 0.8 * 60 * draws_per_second


async def test_a_model_that_becomes_slow_and_quick_again(theatre):
    samples = speech_like(60.0, seed=3)
    stage = theatre(samples, cost_ms=5)
    await stage.advance(10_000)
    assert total(stage).max_ns / 1e6 < 106
    stage.animator.cost = 45 * TICKS_PER_MS
    await stage.advance(15_000)
    assert stage.session._schedule.governor.step is Step.HALF
    keys = stage.session.metrics.counters["pictures_between"]
    assert keys > 100
    stage.animator.cost = 5 * TICKS_PER_MS
    await stage.advance(25_000)
    assert stage.session._schedule.governor.step is Step.FULL
    assert stage.session.metrics.snapshot()["governor_step"] == 0
    before = len(stage.sink.pictures)
    await stage.advance(5000)
    assert all(picture.drawn == "key" for picture in stage.sink.pictures[before:])
    assert total(stage).max_ns / 1e6 <= 250
    gap_free(stage.sink)
    all_words_heard(stage, samples)
    late = stage.session._track.head - expected(stage)
    assert late < 0.02 * 16_000                                 # what was lengthened in pauses was shortened again


async def test_a_slow_model_does_not_delay_speech(theatre):
    stage = theatre(cost_ms=45)
    await stage.advance(1000)
    samples = speech_like(5.0, pause=0.0002)
    pushed = stage.clock.now()
    utterance = stage.session.say(samples)
    await stage.advance(5500)
    assert utterance.state == "finished"
    chunks = zip(stage.sink.played_at, stage.sink.sound, strict=True)
    first = next(at for at, chunk in chunks if at >= pushed and chunk.samples.any())
    assert milliseconds(first - pushed) <= 60
    late = [milliseconds(at - stage.session.due(p.pts)) for at, p in zip(stage.sink.shown_at, stage.sink.pictures, strict=True)]
    assert max(late) <= 21


@pytest.mark.parametrize("jitter_ms", [5, 40, 100])
@pytest.mark.parametrize("fps", [25, 50])
async def test_jitter_is_waited_for(theatre, jitter_ms, fps):
    """Blocks up to so late: no word is torn, delay stays under the cap, picture and sound stay together."""
    rng = np.random.default_rng(4)
    samples = speech_like(30.0, seed=6)
    late = np.maximum.accumulate(np.arange(2000) * 1800 + rng.integers(0, jitter_ms * 90, 2000)) - np.arange(2000) * 1800
    stage = theatre(samples, fps=fps, delay=lambda k: int(late[k]))
    await stage.advance(30_000)
    assert all_words_heard(stage, samples) > 10
    gap_free(stage.sink)
    assert total(stage).max_ns / 1e6 <= 250
    assert total(stage).quantile(0.5) <= 105 + jitter_ms
    assert stage.session.metrics.counters["dropouts"] == 0
    assert stage.session.metrics.counters["pictures_repeat"] <= 3 + jitter_ms // 4


async def test_one_late_block_inside_a_word_holds_both_and_tears_nothing(theatre):
    """A block in the midst of a word and those behind it come 90 ms late, in one burst."""
    samples = speech_like(8.0, seed=2, pause=0.5)
    start = next(k for k in range(75, 300) if samples[(k - 15) * 320 : (k + 15) * 320].all())
    stage = theatre(samples, delay=lambda k: max(0, 90 - 20 * (k - start)) * TICKS_PER_MS if k >= start else 0)
    await stage.advance(8000)
    all_words_heard(stage, samples)
    gap_free(stage.sink)
    assert stage.session.metrics.counters["held_ticks"] > 50 * TICKS_PER_MS
    pictures = [p for p in stage.sink.pictures if p.drawn != "repeat"]
    assert len(pictures) >= len(stage.sink.pictures) - 4
    assert stage.session._track.head - expected(stage) < 0.02 * 16_000      # a later pause gave it back


async def test_a_microphone_that_dies_in_a_word_falls_silent_softly(theatre):
    samples = np.full(16_000, 0.25, np.float32)
    stage = theatre()
    await stage.advance(500)
    for k in range(50):
        stage.session.push(chunk_at(samples, k, stage.clock))
        await stage.advance(20)
    await stage.advance(1000)
    assert stage.session.metrics.counters["dropouts"] == 1
    heard = stage.sink.heard
    assert np.abs(np.diff(heard)).max() < 0.01                  # faded at both ends
    assert not heard[-8000:].any()
    gap_free(stage.sink)


async def test_a_peer_that_sends_nothing_in_its_pauses(theatre):
    """Discontinuous transmission: only loud blocks are sent. Words stay whole and are not stuck together."""
    samples = np.concatenate([speech_like(9.0, seed=9, pause=0.6), np.zeros(16_000, np.float32)])
    stage = theatre()
    await stage.advance(300)
    for k in range(500):
        chunk = chunk_at(samples, k, stage.clock)
        tail = samples[max(0, k - 5) * 320 : (k + 1) * 320]     # the usual hangover of 100 ms
        if tail.any():
            stage.session.push(chunk)
        await stage.advance(20)
    await stage.advance(500)
    spoken, heard = words(samples), words(stage.sink.heard)
    assert len(spoken) == len(heard)
    for a, b in zip(spoken, heard, strict=True):
        assert len(a) == len(b)
        assert np.array_equal(a[200:], b[200:])                 # faded in over 8 ms after each pause
    assert stage.session.metrics.counters["dropouts"] == 0
    assert total(stage).max_ns / 1e6 <= 250


def chunk_at(samples, k, clock):
    from limner.engine.types import AudioChunk

    return AudioChunk(samples[k * 320 : (k + 1) * 320], 16_000, k * 320, 0, clock.now_ns())


@pytest.mark.parametrize("ppm", [-200, 200])
async def test_a_crystal_that_differs_piles_nothing_up(theatre, ppm):
    """In 100 s, 200 ppm are 20 ms; pauses take them, words stay whole and the delay stays where it was."""
    samples = speech_like(100.0, seed=1)
    stage = theatre(samples, ppm=ppm)
    await stage.advance(99_000)
    assert all_words_heard(stage, samples) > 50
    gap_free(stage.sink)
    assert total(stage).max_ns / 1e6 < 105 + 15
    assert {b.pts - a.pts for a, b in pairwise(stage.sink.pictures)} == {3600}


@pytest.mark.slow
async def test_an_hour_does_not_drift(theatre):
    """An hour of idle at one picture a second: pts, clock and sound agree to the tick at its end."""
    stage = theatre(fps=1)
    await stage.advance(3_600_000)
    start = stage.session.due(0)
    assert {at - picture.pts for at, picture in zip(stage.sink.shown_at, stage.sink.pictures, strict=True)} == {start}
    assert {at - chunk.pts for at, chunk in zip(stage.sink.played_at, stage.sink.sound, strict=True)} == {start}
    assert stage.sink.pictures[-1].pts >= 3598 * TICKS
    assert stage.session.metrics.counters["held_ticks"] == 0


async def test_a_machine_that_slept_goes_on_without_catching_up(theatre):
    """Ten seconds pass at once while nothing runs: what was due is not replayed in a burst and delay is as before."""
    stage = theatre(speech_like(40.0))
    await stage.advance(5000)
    stage.clock._now += 10 * TICKS
    before = len(stage.sink.pictures)
    await stage.advance(10_000)
    assert len(stage.sink.pictures) - before <= 10 * 25 + 3
    gap_free(stage.sink)
    recent = stage.sink.played_at[-100:]
    assert all(milliseconds(b - a) == 20 for a, b in pairwise(recent))
    assert total(stage).quantile(0.95) <= 250


async def test_sound_and_picture_skip_together_beyond_the_cap(theatre):
    """A burst of two seconds at once: what does not fit under the cap is skipped, counted, and joined without a click."""
    stage = theatre()
    await stage.advance(500)
    time = np.arange(32_000) / 16_000
    samples = (0.3 * np.sin(2 * np.pi * 200 * time)).astype(np.float32)
    for k in range(100):
        stage.session.push(chunk_at(samples, k, stage.clock))
    await stage.advance(1000)
    assert stage.session.metrics.counters["skipped_samples"] > 25_000
    assert np.abs(np.diff(stage.sink.heard)).max() < 0.06       # the tone itself steps by 0.024
    assert total(stage).max_ns / 1e6 <= 250
