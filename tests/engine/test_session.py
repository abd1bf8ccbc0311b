"""A session from the outside: what goes in, what comes out and when."""

import asyncio
import logging
from itertools import pairwise

import numpy as np
import pytest

from limner.engine.clock import TICKS, TICKS_PER_MS, DeviceClock, ManualClock, frame_duration
from limner.engine.config import Settings
from limner.engine.errors import ContractError, InputError, UsageError
from limner.engine.offline import film
from limner.engine.session import Session
from limner.engine.testing import (
    CollectSink,
    FakeAnimator,
    FakeExtractor,
    FakeSource,
    InlineLane,
    chunks_of,
    run_for,
    speech_like,
    voiced,
)
from limner.engine.types import AudioChunk, Expression, Picture

RATES = (24, 25, 30, 50, 60)


@pytest.mark.parametrize("fps", RATES)
async def test_streamed_equals_the_film(theatre, fps):
    """A file through the live session gives the very pictures and samples that `film` gives."""
    samples = speech_like(2.0)
    stage = theatre(samples, live=False, fps=fps)
    await stage.advance(3000)
    assert stage.task.done()
    made = list(film(chunks_of(samples), FakeExtractor(), FakeAnimator(), fps=fps))
    pictures = [each for each in made if isinstance(each, Picture)]
    assert [each.pts for each in stage.sink.pictures] == [each.pts for each in pictures]
    assert all(np.array_equal(a.planes, b.planes) for a, b in zip(stage.sink.pictures, pictures, strict=True))
    assert np.array_equal(stage.sink.heard[: len(samples)], samples)
    assert not stage.sink.heard[len(samples) :].any()


@pytest.mark.parametrize("fps", RATES)
async def test_a_microphone_comes_out_after_exactly_the_latency(theatre, fps):
    samples = speech_like(4.0)
    stage = theatre(samples, fps=fps)
    latency = stage.session.latency()
    await stage.advance(4000)
    sink = stage.sink
    onset = int(np.flatnonzero(samples)[0])
    heard = int(np.flatnonzero(sink.heard)[0])
    captured = stage.session._source.began + onset * TICKS // 16_000
    left = sink.played_at[heard // 320] + heard % 320 * TICKS // 16_000
    assert left - captured == pytest.approx(latency, abs=2 * TICKS_PER_MS)       # a chunk is placed by whole samples
    assert {b.pts - a.pts for a, b in pairwise(sink.pictures)} == {frame_duration(fps)}
    assert stage.session.metrics.hops["total"].max_ns / 1e6 == pytest.approx(latency / TICKS_PER_MS, abs=2)


@pytest.mark.parametrize("fps", RATES)
async def test_picture_and_sound_of_an_instant_leave_together(theatre, fps):
    stage = theatre(speech_like(3.0), fps=fps)
    await stage.advance(3000)
    start = stage.sink.shown_at[0] - stage.sink.pictures[0].pts
    assert {at - picture.pts for at, picture in zip(stage.sink.shown_at, stage.sink.pictures, strict=True)} == {start}
    assert {at - chunk.pts for at, chunk in zip(stage.sink.played_at, stage.sink.sound, strict=True)} == {start}


async def test_the_mouth_moves_with_the_sound_and_rests_without(theatre):
    samples = speech_like(4.0)
    stage = theatre(samples)
    await stage.advance(4000)
    heard = np.abs(stage.sink.heard)
    for picture in stage.sink.pictures[2:-5]:
        at = picture.pts * 16_000 // TICKS
        span = heard[at : at + 960]                      # the fake's rows hear 60 ms ahead
        if len(span) == 960:
            assert voiced(picture) == (span.mean() > 1e-3)


async def test_silence_is_sent_as_sound(theatre):
    stage = theatre()
    await stage.advance(2000)
    assert len(stage.sink.sound) >= 99
    assert not stage.sink.heard.any()
    starts = [chunk.start for chunk in stage.sink.sound]
    assert starts == list(range(0, 320 * len(starts), 320))
    assert not any(voiced(picture) for picture in stage.sink.pictures)


async def test_idle_pictures_are_drawn_just_in_time(theatre):
    stage = theatre(cost_ms=4)
    await stage.advance(2000)
    position = stage.clock.now() - stage.session.due(0)
    ahead = max(stage.animator.drawn) - position
    assert ahead <= 10 * TICKS_PER_MS
    assert len(stage.session._pictures) <= 1


async def test_pushed_live_sound_needs_no_source(theatre):
    stage = theatre()
    await stage.advance(500)
    samples = speech_like(2.0, pause=0.2)
    for chunk in chunks_of(samples):
        await stage.advance(20)
        stage.session.push(AudioChunk(chunk.samples, 16_000, chunk.start, 0, stage.clock.now_ns()))
    await stage.advance(500)
    heard, onset = stage.sink.heard, np.flatnonzero(samples)[0] + 200
    first = np.flatnonzero(heard)[0] + 200
    length = len(samples) - onset
    assert np.array_equal(heard[first : first + length], samples[onset:])


async def test_sound_of_another_form_is_refused(theatre):
    stage = theatre()
    await stage.advance(100)
    with pytest.raises(InputError, match="48000 Hz"):
        stage.session.push(AudioChunk(np.zeros(8, np.float32), 48_000, 0, 0, 0))
    with pytest.raises(InputError, match="mono"):
        stage.session.say(np.zeros((2, 100), np.float32))


async def test_what_is_not_a_number_does_not_reach_the_sink(theatre):
    stage = theatre(np.full(16_000, np.nan, np.float32))
    await stage.advance(1200)
    assert len(stage.sink.sound) > 40
    assert np.isfinite(stage.sink.heard).all()


async def test_parts_that_do_not_fit_are_refused():
    clock = ManualClock()
    source = FakeSource(np.zeros(10, np.float32), clock)
    source.rate = 48_000
    parts = {"extractor": FakeExtractor(), "animator": FakeAnimator(), "clock": clock}
    with pytest.raises(ContractError, match="48000 Hz"):
        Session(source=source, **parts)
    with pytest.raises(UsageError, match=r"must be equal"):
        Session(fallback=(FakeExtractor(), FakeAnimator(size=32)), **parts)
    with pytest.raises(UsageError, match="more than cap_ms = 60"):
        Session(settings=Settings(cap_ms=60), **parts)


async def test_latency_is_known_before_the_first_frame():
    session = Session(extractor=FakeExtractor(), animator=FakeAnimator(), clock=ManualClock())
    assert session.latency() == 105 * TICKS_PER_MS
    assert session.metrics.snapshot()["latency_declared_ms"] == 105
    with pytest.raises(UsageError, match=r"call run\(\) first"):
        session.due(0)


async def test_expressions_from_outside(theatre):
    stage = theatre()
    await stage.advance(500)
    brow = Expression.neutral()
    brow.weights[2] = 1
    stage.session.express(brow)
    await stage.advance(200)
    assert stage.sink.pictures[-1].planes[8, 8] > 200
    stage.session.express(None)
    await stage.advance(200)
    assert stage.sink.pictures[-1].planes[8, 8] == 16


async def test_expressions_need_an_animator_that_takes_them(theatre):
    stage = theatre(extractor=FakeExtractor(width=80))
    with pytest.raises(UsageError, match="takes no expressions"):
        stage.session.express(Expression.neutral())


async def test_closing_ends_everything(theatre):
    stage = theatre(speech_like(30.0))
    await stage.advance(500)
    utterance = stage.session.say(speech_like(5.0))
    await stage.advance(500)
    await stage.end()
    assert stage.task.done()
    assert utterance.state == "interrupted"
    assert (stage.sink.opened, stage.sink.closed) == (1, 1)
    with pytest.raises(UsageError, match="closed"):
        stage.session.say(speech_like(1.0))
    assert not [task for task in asyncio.all_tasks() if "outbox" in task.get_name() and not task.done()]


async def test_closing_before_a_file_has_given_any_sound(theatre):
    class Never(FakeSource):
        async def __aiter__(self):
            await self._clock.sleep_until(10**9)
            yield None

    clock = ManualClock()
    session = Session(extractor=FakeExtractor(), animator=FakeAnimator(), clock=clock, lane=InlineLane(clock),
                      source=Never(np.zeros(1, np.float32), clock, live=False))  # fmt: skip
    running = asyncio.create_task(session.run())
    await run_for(clock, running, TICKS)
    await session.close()
    await running


async def test_a_live_source_that_ends_ends_the_session(theatre):
    samples = speech_like(1.0, pause=0.1)
    stage = theatre(samples)
    await stage.advance(1000 + 105 + 60)
    assert stage.task.done()
    assert np.flatnonzero(stage.sink.heard)[-1] - np.flatnonzero(stage.sink.heard)[0] == pytest.approx(
        np.flatnonzero(samples)[-1] - np.flatnonzero(samples)[0], abs=320
    )


# When parts fail


async def test_one_broken_sink_and_one_stuck_do_not_touch_the_third(theatre, caplog):
    others = []

    def sinks(clock):
        others[:] = [CollectSink(clock, fail_at=10), CollectSink(clock, block_at=10)]
        return others

    stage = theatre(speech_like(3.0), sinks=sinks)
    with caplog.at_level(logging.ERROR, "limner"):
        await stage.advance(3000)
    assert len([r for r in caplog.records if "failed and was closed" in r.message]) == 1
    assert others[0].closed == 1
    assert len(others[1].pictures) == 10
    start = stage.sink.shown_at[0]
    assert [at - start for at in stage.sink.shown_at] == [picture.pts for picture in stage.sink.pictures]
    assert len(stage.sink.pictures) >= 74


async def test_a_sink_that_cannot_open_is_the_callers_problem_and_the_others_are_closed(theatre):
    class Shut(CollectSink):
        async def __aenter__(self):
            raise OSError("no camera here")

    stage = theatre(sinks=lambda clock: [Shut(clock)])
    with pytest.raises(OSError, match="no camera here"):
        await stage.advance(100)
    assert stage.sink.closed == 1


async def test_when_the_only_sink_fails_so_does_the_session(theatre):
    stage = theatre()
    stage.session._outboxes._boxes[0].sink._fail_at = 5
    with pytest.raises(OSError, match="told to fail"):
        await stage.advance(1000)


async def test_a_source_that_fails_ends_the_session_with_its_error(theatre):
    class Unplugged(FakeSource):
        async def __aiter__(self):
            yield next(chunks_of(np.zeros(320, np.float32)))
            raise OSError("the microphone was unplugged")

    clock = ManualClock()
    session = Session(extractor=FakeExtractor(), animator=FakeAnimator(), clock=clock, lane=InlineLane(clock),
                      source=Unplugged(np.zeros(1, np.float32), clock))  # fmt: skip
    with pytest.raises(OSError, match="unplugged"):
        await session.run()


async def test_a_failing_animator_leaves_the_last_picture_and_the_sound(theatre, caplog):
    samples = speech_like(3.0)
    stage = theatre(samples)
    await stage.advance(1000)
    stage.animator.fail = True
    with caplog.at_level(logging.ERROR, "limner"):
        await stage.advance(1000)
    assert stage.sink.pictures[-1].drawn == "repeat"
    assert len([r for r in caplog.records if "drawing failed" in r.message]) == 1
    stage.animator.fail = False
    await stage.advance(500)
    assert stage.sink.pictures[-1].drawn == "key"
    assert len(stage.sink.sound) >= 124


async def test_a_fallback_takes_over_once_and_says_so(theatre, caplog):
    spare = FakeAnimator(window=(1, 0))
    stage = theatre(speech_like(4.0), fallback=(FakeExtractor(width=3), spare))
    await stage.advance(1000)
    stage.animator.fail = True
    with caplog.at_level(logging.ERROR, "limner"):
        await stage.advance(2000)
    assert [r.message for r in caplog.records] == [
        "drawing failed, the fallback takes over: the fake animator was told to fail"
    ]
    assert len(spare.drawn) > 40
    assert stage.sink.pictures[-1].drawn == "key"
    assert any(voiced(picture) for picture in stage.sink.pictures[-40:])


async def test_sinks_may_come_and_go(theatre):
    stage = theatre()
    await stage.advance(500)
    late = CollectSink(stage.clock)
    await stage.session.attach(late)
    await stage.advance(500)
    leaving = asyncio.create_task(stage.session.detach(late))
    await stage.advance(100)
    await leaving
    count = len(late.pictures)
    assert 10 <= count <= 16
    await stage.advance(500)
    assert len(late.pictures) == count
    assert late.closed == 1


async def test_a_device_clock_is_told_what_was_captured():
    base = ManualClock()
    clock, sink = DeviceClock(base), CollectSink(base)
    source = FakeSource(speech_like(20.0), base, ppm=200)
    session = Session(extractor=FakeExtractor(), animator=FakeAnimator(), sinks=[sink], source=source, clock=clock,
                      lane=InlineLane(base))  # fmt: skip
    running = asyncio.create_task(session.run())
    await run_for(base, running, 19 * TICKS)
    assert clock.now() - base.now() == pytest.approx(19 * TICKS * 200e-6, abs=TICKS_PER_MS)
    assert session.metrics.counters["shortened_samples"] == 0
    closing = asyncio.create_task(session.close())
    await run_for(base, running, 3 * TICKS)
    await closing
