"""Speech that is said and cut off: soon, whole, without a click."""

import asyncio
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from limner.engine.clock import TICKS_PER_MS
from limner.engine.offline import film
from limner.engine.testing import FakeAnimator, FakeExtractor, chunks_of, speech_like, voiced
from limner.engine.types import AudioChunk, Picture

RATES = (24, 25, 30, 50, 60)
FAST = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def voice(seconds=1.0, seed=1):
    """Speech from its first sample to its last."""
    return speech_like(seconds, seed, pause=0.0002)


def first_since(stage, when):
    """Milliseconds from `when` to the first voiced picture and to the first voiced chunk."""
    sink = stage.sink
    picture = next(at for at, p in zip(sink.shown_at, sink.pictures, strict=True) if at >= when and voiced(p))
    chunk = next(at for at, c in zip(sink.played_at, sink.sound, strict=True) if at >= when and c.samples.any())
    return (picture - when) / TICKS_PER_MS, (chunk - when) / TICKS_PER_MS


@pytest.mark.parametrize("fps", RATES)
async def test_speech_leaves_within_60_ms_of_the_push(theatre, fps):
    """At any phase: pushes 7 ms apart through two seconds of idling."""
    stage = theatre(fps=fps)
    await stage.advance(500)
    worst = 0.0
    for _ in range(12):
        await stage.advance(157)
        pushed = stage.clock.now()
        stage.session.say(voice(0.3))
        await stage.advance(100)
        worst = max(worst, *first_since(stage, pushed))
        stage.session.interrupt()
        await stage.advance(400)
    assert worst <= 60


async def test_speech_is_whole_and_its_pictures_are_the_films(theatre):
    stage = theatre()
    await stage.advance(1013)
    samples = voice(2.0)
    utterance = stage.session.say(samples)
    await stage.advance(2500)
    assert await utterance.done == "finished"
    heard, start = stage.sink.heard, np.flatnonzero(stage.sink.heard)[0] - np.flatnonzero(samples)[0]
    assert np.array_equal(heard[start : start + len(samples)], samples)
    made = film(chunks_of(samples), FakeExtractor(), FakeAnimator(), fps=25)
    expected = [each for each in made if isinstance(each, Picture)]
    shown = [each for each in stage.sink.pictures if each.pts * 16_000 // 90_000 >= start][: len(expected)]
    assert all(np.array_equal(a.planes, b.planes) for a, b in zip(shown, expected, strict=True))


async def test_done_means_seen(theatre):
    stage = theatre()
    await stage.advance(500)
    samples = voice(1.0)
    seen = []
    utterance = stage.session.say(samples)
    utterance.done.add_done_callback(lambda _: seen.append((stage.clock.now(), stage.sink.heard.copy())))
    await stage.advance(1500)
    _, heard = seen[0]
    assert np.flatnonzero(heard)[-1] - np.flatnonzero(heard)[0] == np.flatnonzero(samples)[-1] - np.flatnonzero(samples)[0]
    last = max(at for at, p in zip(stage.sink.shown_at, stage.sink.pictures, strict=True) if voiced(p))
    assert last <= seen[0][0] + 40 * TICKS_PER_MS


async def test_utterances_queue_without_a_gap(theatre):
    stage = theatre()
    await stage.advance(500)
    first, second, third = voice(0.5, 1), voice(0.3, 2), np.zeros(0, np.float32)
    said = [stage.session.say(part) for part in (first, third, second)]
    assert [each.state for each in said] == ["speaking", "waiting", "waiting"]
    await stage.advance(1500)
    assert [await each.done for each in said] == ["finished"] * 3
    whole = np.concatenate([first, second])
    start = np.flatnonzero(stage.sink.heard)[0] - np.flatnonzero(whole)[0]
    assert np.array_equal(stage.sink.heard[start : start + len(whole)], whole)


@pytest.mark.parametrize("fps", (24, 25, 60))
@pytest.mark.parametrize("before_end_ms", (150, 110, 70, 30, 5))
async def test_what_is_said_just_before_speech_ends_leaves_its_end_whole(theatre, fps, before_end_ms):
    """All of the first was taken, its last word not yet seen: the second follows within a picture, not over it."""
    stage = theatre(fps=fps)
    await stage.advance(500)
    first, second = voice(0.5, 1), voice(0.3, 2)
    one = stage.session.say(first)
    await stage.advance(500 - before_end_ms)
    two = stage.session.say(second)
    await stage.advance(1500)
    assert (await one.done, await two.done) == ("finished", "finished")
    heard = stage.sink.heard
    start = np.flatnonzero(heard)[0] - np.flatnonzero(first)[0]
    end = start + len(first)
    assert np.array_equal(heard[start:end], first)
    assert one.said_before(end) == len(first) and one.said_before(end - 100) == len(first) - 100
    gap = np.flatnonzero(heard[end:])[0] - np.flatnonzero(second)[0]
    assert two.said_before(end + gap) == 0 and two.said_before(end + gap + 1) == 1
    assert 0 <= gap <= 16_000 // fps + 1600
    assert np.array_equal(heard[end + gap : end + gap + len(second)], second)


async def test_a_stream_slower_than_speech_is_waited_for(theatre):
    """Chunks of 200 ms every 260 ms: nothing is inserted while the wait stays under the cap."""
    stage = theatre()
    samples = voice(1.0)

    async def slow():
        for chunk in chunks_of(samples, 3200):
            yield chunk
            await stage.clock.sleep_until(stage.clock.now() + 260 * TICKS_PER_MS)

    await stage.advance(500)
    utterance = stage.session.say(slow())
    await stage.advance(3000)
    assert utterance.state == "finished"
    start = np.flatnonzero(stage.sink.heard)[0] - np.flatnonzero(samples)[0]
    assert np.array_equal(stage.sink.heard[start : start + len(samples)], samples)
    starts = [chunk.start for chunk in stage.sink.sound]
    assert starts == list(range(0, 320 * len(starts), 320))


async def test_a_stream_that_stalls_goes_on_in_silence_and_then_speaks_on(theatre):
    stage = theatre()
    samples = voice(1.0)

    async def stalling():
        yield AudioChunk(samples[:8000], 16_000, 0, 0, 0)
        await stage.clock.sleep_until(stage.clock.now() + 2000 * TICKS_PER_MS)
        yield AudioChunk(samples[8000:], 16_000, 8000, 0, 0)

    await stage.advance(500)
    utterance = stage.session.say(stalling())
    await stage.advance(1500)
    assert stage.session.metrics.counters["starved_samples"] > 0
    assert len(stage.sink.sound) > 85                     # silence is sent meanwhile
    await stage.advance(2500)
    assert utterance.state == "finished"


async def test_a_stream_that_breaks_is_an_utterance_that_ends_early(theatre, caplog):
    stage = theatre()

    async def breaking():
        yield AudioChunk(voice(0.3), 16_000, 0, 0, 0)
        raise ConnectionError("the speech service hung up")

    await stage.advance(500)
    utterance = stage.session.say(breaking())
    await stage.advance(1000)
    assert utterance.state == "finished"
    assert "speech ended early: the speech service hung up" in caplog.text


async def test_speech_replaces_the_microphone_and_gives_it_back(theatre):
    microphone = speech_like(6.0, seed=5) * 0.5
    stage = theatre(microphone)
    await stage.advance(1500)
    samples = voice(1.0)
    utterance = stage.session.say(samples)
    began = stage.session._track.head
    await stage.advance(1200)
    assert utterance.state == "finished"
    spoken = stage.sink.heard[began + 400 : began + len(samples)]
    assert any(np.array_equal(spoken, samples[k : k + len(spoken)]) for k in range(399, 402))
    assert stage.session.metrics.counters["masked_samples"] > 15_000
    await stage.advance(3000)
    tail = stage.sink.heard[-16_000:]
    lag = len(stage.sink.heard) - 16_000 - stage.session.latency() * 16_000 // 90_000
    best = min(np.abs(tail - microphone[k : k + 16_000]).max() for k in range(max(0, lag - 1600), lag + 1600)
               if k + 16_000 <= len(microphone))  # fmt: skip
    assert best == 0


def click(samples):
    """The largest step from one sample to the next, against that of the voice itself."""
    return float(np.abs(np.diff(samples)).max())


@pytest.mark.parametrize("fps", RATES)
async def test_an_interrupt_is_over_within_80_ms(theatre, fps):
    stage = theatre(fps=fps)
    await stage.advance(500)
    for k in range(10):
        utterance = stage.session.say(voice(5.0))
        await stage.advance(300 + 17 * k)
        called = stage.clock.now()
        stage.session.interrupt()
        await stage.advance(600)
        assert await utterance.done == "interrupted"
        last = max(at for at, p in zip(stage.sink.shown_at, stage.sink.pictures, strict=True) if voiced(p))
        chunks = [(at, c) for at, c in zip(stage.sink.played_at, stage.sink.sound, strict=True) if c.samples.any()]
        at, chunk = chunks[-1]
        assert (last - called) / TICKS_PER_MS <= 80
        assert (at - called) / TICKS_PER_MS + np.flatnonzero(chunk.samples)[-1] / 16 <= 80


async def test_the_mouth_closes_softly_and_the_sound_without_a_click(theatre):
    stage = theatre(fps=50)
    await stage.advance(500)
    samples = voice(5.0)
    stage.session.say(samples)
    await stage.advance(1203)
    called = stage.clock.now()
    stage.session.interrupt()
    await stage.advance(500)
    since = [p for at, p in zip(stage.sink.shown_at, stage.sink.pictures, strict=True) if at >= called]
    levels = [int(picture.planes[8, 8]) for picture in since]
    opening = levels[0] - 16
    assert opening > 5
    assert max(abs(a - b) for a, b in pairwise(levels)) <= max(2, 0.6 * opening)
    assert levels[int(0.16 * 50)] == 16                   # shut 160 ms after the call
    assert click(stage.sink.heard) <= click(samples)


async def test_after_an_interrupt_there_is_silence_and_new_speech_starts_as_ever(theatre):
    stage = theatre()
    await stage.advance(500)
    stage.session.say(voice(5.0))
    await stage.advance(700)
    stage.session.interrupt()
    await stage.advance(13)
    pushed = stage.clock.now()
    samples = voice(0.5, seed=8)
    utterance = stage.session.say(samples)
    generation = stage.session.generation
    await stage.advance(1000)
    assert utterance.state == "finished"
    new = next(at for at, c in zip(stage.sink.played_at, stage.sink.sound, strict=True)
               if c.generation == generation and c.samples.any())  # fmt: skip
    assert (new - pushed) / TICKS_PER_MS <= 60


async def test_an_interrupt_empties_the_queue_and_stuck_sinks(theatre):
    stage = theatre()
    await stage.advance(500)
    said = [stage.session.say(voice(1.0)) for _ in range(3)]
    stage.sink._block_at = len(stage.sink.pictures)
    await stage.advance(500)
    stage.session.interrupt()
    assert [each.state for each in said] == ["interrupted"] * 3
    old = stage.session.generation
    stage.sink.release.set()
    before = len(stage.sink.sound)
    await stage.advance(500)
    assert all(chunk.generation >= old for chunk in stage.sink.sound[before:])


async def test_interrupting_a_file_ends_the_session(theatre):
    stage = theatre(voice(10.0), live=False)
    await stage.advance(1000)
    stage.session.interrupt()
    await stage.advance(600)
    assert stage.task.done()
    assert not voiced(stage.sink.pictures[-1])


async def test_interrupting_nothing_is_harmless(theatre):
    stage = theatre()
    stage.session.interrupt()
    await stage.advance(500)
    for _ in range(3):
        stage.session.interrupt()
        await stage.advance(1)
    await stage.advance(500)
    assert len(stage.sink.pictures) >= 24


@FAST
@given(st.lists(st.tuples(st.sampled_from(["say", "interrupt"]), st.integers(1, 400)), min_size=1, max_size=10),
       st.sampled_from([25, 30, 50]), st.booleans())  # fmt: skip
@example(acts=[("say", 1), ("say", 1), ("say", 71), ("interrupt", 1)], fps=25, microphone=False)
def test_whatever_is_asked_time_goes_on(theatre, acts, fps, microphone):
    """Speech and interrupts at random instants, over a live voice or none: pictures and sound stay on their grid,
    every utterance is settled, nothing of an interrupted one is heard later than 80 ms."""

    async def body():
        stage = theatre(speech_like(6.0, seed=3) * 0.3 if microphone else None, fps=fps)
        await stage.advance(200)
        said = []
        for act, wait in acts:
            if act == "say":
                said.append(stage.session.say(voice(0.4)))
            else:
                stage.session.interrupt()
                assert all(each.state in ("interrupted", "finished") for each in said)
            await stage.advance(wait)
        stage.session.interrupt()
        await stage.advance(300)
        await stage.end()
        assert all(each.done.done() for each in said)
        duration = 90_000 // fps
        pts = [picture.pts for picture in stage.sink.pictures]
        assert pts == list(range(0, duration * len(pts), duration))
        starts = [chunk.start for chunk in stage.sink.sound]
        assert starts == list(range(0, 320 * len(starts), 320))
        generations = [picture.generation for picture in stage.sink.pictures]
        assert max(generations) <= 2 * len(acts) + 1
        assert click(stage.sink.heard) <= 1.2 * click(voice(0.4)) + 0.01

    asyncio.run(body())
