"""Sessions as a busy server has them, without a network: the embedded face, a live voice, an encoder, a viewer each."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from limner.engine.clock import SAMPLE_RATE, TICKS, Clock, MonotonicClock
from limner.engine.session import Session
from limner.engine.testing import speech_like
from limner.engine.types import AudioChunk
from limner.models.avatar import Avatar
from limner.streams.rtc import PacketTrack
from limner.streams.sinks.recorder import Recorder
from limner.streams.sinks.webrtc import WebRTCSink

from . import assemble
from .options import Options

BLOCK = SAMPLE_RATE // 50


@dataclass
class Guest:
    """One session with somebody who talks into it without end and watches every packet."""

    session: Session
    sink: WebRTCSink
    clock: Clock
    voice: NDArray[np.float32]
    tasks: list[asyncio.Task] = field(default_factory=list)

    async def __aenter__(self) -> "Guest":
        self.viewer = self.sink.viewer()
        work = (self.session.run(), self._talk(), _watch(self.viewer.video), _watch(self.viewer.audio))
        self.tasks = [asyncio.create_task(each) for each in work]
        return self

    async def __aexit__(self, *exc: object) -> None:
        self.sink.remove(self.viewer)
        await self.session.close()
        for task in self.tasks[1:]:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    async def _talk(self) -> None:
        began, at = self.clock.now(), 0
        while True:
            await self.clock.sleep_until(began + (at + BLOCK) * TICKS // SAMPLE_RATE)
            first = at % (len(self.voice) - BLOCK)
            samples = self.voice[first:first + BLOCK]
            self.session.push(AudioChunk(samples, SAMPLE_RATE, at, at * TICKS // SAMPLE_RATE, self.clock.now_ns()))
            at += BLOCK

    async def record(self, path: Path, seconds: float) -> None:
        """Start a recording beside the viewer, and end it."""
        recorder = Recorder(path, size=self.sink.size, fps=self.sink.fps)
        await self.session.attach(recorder)
        await asyncio.sleep(seconds)
        await self.session.detach(recorder)


async def _watch(track: PacketTrack) -> None:
    with contextlib.suppress(Exception):             # aiortc's way to say that the track has ended
        while True:
            await track.recv()


@contextlib.asynccontextmanager
async def guests(count: int, *, size: int = 512, fps: int = 25, avatar: Avatar | None = None) -> AsyncIterator[list[Guest]]:
    """`count` running sessions, each with a voice and idle motion of its own."""
    async with contextlib.AsyncExitStack() as stack:
        made = []
        for number in range(count):
            options, clock, sink = Options(size=size, fps=fps, seed=number), MonotonicClock(), WebRTCSink((size, size), fps)
            face = await asyncio.to_thread(assemble.face, options, avatar)
            session = assemble.session(options, sinks=[sink], clock=clock, prepared=face)
            made.append(await stack.enter_async_context(Guest(session, sink, clock, speech_like(60, seed=number))))
        yield made
