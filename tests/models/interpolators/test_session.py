"""Interpolation inside a live session, on a clock that only the test moves."""

import asyncio
from itertools import pairwise

import numpy as np
import pytest

from limner.engine.clock import TICKS_PER_MS, ManualClock, frame_duration
from limner.engine.config import Settings
from limner.engine.session import Session
from limner.engine.testing import CollectSink, FakeAnimator, FakeExtractor, FakeSource, InlineLane, run_for, speech_like
from limner.models.interpolators.blend import BlendStage


class Show:
    """A session at `fps` whose animator draws half of the pictures; sound arrives with `delay`."""

    def __init__(self, fps, delay=lambda k: 0):
        self.clock = ManualClock()
        self.sink, lane = CollectSink(self.clock), InlineLane(self.clock)
        source = FakeSource(speech_like(3.0), self.clock, live=True, block=320, delay=delay, ppm=0.0)
        self.session = Session(
            extractor=FakeExtractor(lookahead=60 * TICKS_PER_MS), animator=FakeAnimator(window=(2, 1), cost=4 * TICKS_PER_MS, lane=lane),
            stages=[BlendStage(fps)], sinks=[self.sink], source=source, clock=self.clock, lane=lane, settings=Settings(fps=fps))
        self.task = asyncio.ensure_future(self.session.run())

    async def advance(self, ms):
        await run_for(self.clock, self.task, ms * TICKS_PER_MS)

    async def end(self):
        closing = asyncio.create_task(self.session.close())
        await run_for(self.clock, self.task, 3000 * TICKS_PER_MS)
        await closing


@pytest.mark.parametrize("fps", [25, 30, 50, 60])
async def test_every_second_picture_is_drawn_and_the_grid_is_exact(fps):
    show = Show(fps)
    await show.advance(2500)
    pictures = show.sink.pictures
    await show.end()
    assert {b.pts - a.pts for a, b in pairwise(pictures)} == {frame_duration(fps)}
    kinds = [p.drawn for p in pictures[2:-2]]
    assert kinds.count("between") == pytest.approx(len(kinds) / 2, abs=2)
    assert all(a != b for a, b in pairwise(kinds))


async def test_jittered_sound_leaves_the_grid_exact():
    rng = np.random.default_rng(2)
    late = rng.integers(0, 30, 1000) * TICKS_PER_MS
    show = Show(50, delay=lambda k: int(late[k]))
    await show.advance(2500)
    pictures = show.sink.pictures
    await show.end()
    steps = {b.pts - a.pts for a, b in pairwise(pictures)}
    assert len(pictures) > 100 and all(step % 1800 == 0 for step in steps)
    assert "between" in {p.drawn for p in pictures}


async def test_an_interrupt_is_not_interpolated_across():
    show = Show(50)
    await show.advance(1200)
    show.session.interrupt()
    await show.advance(1200)
    pictures = show.sink.pictures
    await show.end()
    change = next(i for i, p in enumerate(pictures) if p.generation == 1)
    assert all(p.generation == 1 for p in pictures[change:])
    assert pictures[change].drawn == "key"                    # nothing lies between what was said and what follows
    assert all(a.pts < b.pts for a, b in pairwise(pictures))
