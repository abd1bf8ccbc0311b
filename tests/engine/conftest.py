"""A session on a manual clock with fakes around it, and the means to move its time."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import pytest

from limner.engine.clock import TICKS, TICKS_PER_MS, ManualClock
from limner.engine.config import Settings
from limner.engine.session import Session
from limner.engine.testing import CollectSink, FakeAnimator, FakeExtractor, FakeSource, InlineLane, run_for


@dataclass
class Theatre:
    """One running session. `cost_ms` is what a draw takes; sound and source are the test's."""

    clock: ManualClock
    sink: CollectSink
    animator: FakeAnimator
    session: Session
    task: asyncio.Task[None]

    async def advance(self, ms: float) -> None:
        await run_for(self.clock, self.task, round(ms * TICKS_PER_MS))

    def ms_since(self, ticks: int, at: int) -> float:
        return (at - ticks) / TICKS_PER_MS

    async def end(self) -> None:
        closing = asyncio.create_task(self.session.close())
        await run_for(self.clock, self.task, 3 * TICKS)
        await closing


@pytest.fixture
async def theatre() -> AsyncIterator[Callable[..., Theatre]]:
    """Call with the sound of a source (or None), `live`, `fps`, `cost_ms` and anything a Session takes."""
    opened: list[Theatre] = []

    def open_(
        sound=None, *, live=True, fps=25, cost_ms=4.0, block=320, delay=lambda k: 0, ppm=0.0,
        window=(2, 1), lookahead_ms=60, sinks=None, cap_ms=250, **parts,
    ) -> Theatre:  # fmt: skip
        clock = ManualClock()
        lane = InlineLane(clock)
        sink = CollectSink(clock)
        animator = FakeAnimator(window=window, cost=round(cost_ms * TICKS_PER_MS), lane=lane)
        source = None if sound is None else FakeSource(sound, clock, live=live, block=block, delay=delay, ppm=ppm)
        session = Session(
            extractor=parts.pop("extractor", None) or FakeExtractor(lookahead=lookahead_ms * TICKS_PER_MS),
            animator=parts.pop("animator", None) or animator,
            sinks=[sink, *(sinks(clock) if sinks else [])], source=source, clock=clock, lane=lane,
            settings=Settings(fps=fps, cap_ms=cap_ms), **parts,
        )  # fmt: skip
        stage = Theatre(clock, sink, animator, session, asyncio.ensure_future(session.run()))
        opened.append(stage)
        return stage

    yield open_
    for stage in opened:
        if not stage.task.done():
            await stage.end()
