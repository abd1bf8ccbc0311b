"""The model that `limner bench engine` measures the engine with: it costs time and remembers what it was shown.

The sound says when it was captured: sample i has the value `stamp(i)`. A picture therefore tells which sample it
shows, independently of anything the engine says about itself.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Self

import numpy as np
from numpy.typing import NDArray

from limner.engine.clock import SAMPLE_RATE, TICKS_PER_MS, ticks_from_samples
from limner.engine.types import AudioChunk, FeatureRows, FeatureWindow, Frame, Picture, Portrait

HOP = 160
SPAN = 1 << 20                       # samples before stamps repeat, 65 s
LOOKAHEAD_MS = 60


def stamp(start: int, count: int) -> NDArray[np.float32]:
    """Samples [count] in [0.5, 1) that say their own index, exactly in f32."""
    return (0.5 + ((start + np.arange(count)) % SPAN) / (2 * SPAN)).astype(np.float32)


def index_of(value: float) -> int:
    """The sample index a stamp says; -1 for silence and for what fades."""
    return round((value - 0.5) * 2 * SPAN) if value >= 0.5 else -1


class StubExtractor:
    """A row per 10 ms: the first sample of its own hop, given out only once `LOOKAHEAD_MS` of future is there."""

    width, step, lookahead = 1, 900, LOOKAHEAD_MS * TICKS_PER_MS

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self._held = np.zeros(0, np.float32)
        self._pts: int | None = None

    def push(self, chunk: AudioChunk) -> FeatureRows | None:
        if self._pts is None:
            self._pts = chunk.pts
        self._held = np.concatenate([self._held, chunk.samples])
        count = (len(self._held) - LOOKAHEAD_MS * 16) // HOP + 1
        if count <= 0:
            return None
        hops = self._held[: count * HOP].reshape(count, HOP)
        rows = FeatureRows(hops[:, :1].copy(), self._pts, np.abs(hops).max(axis=1) > 0, chunk.captured_ns)
        self._held = self._held[count * HOP :]
        self._pts += count * self.step
        return rows


class StubAnimator:
    """Sleeps for `cost_ms` and notes the stamp that each picture shows and whether it is voiced, by pts."""

    size, window = (64, 64), (2, 0)

    def __init__(self, cost_ms: float) -> None:
        self._cost = cost_ms / 1000
        self._grey = np.full((64, 64, 3), 128, np.uint8)
        self.shown: dict[int, tuple[float, bool]] = {}

    def sit(self, portrait: Portrait) -> None:
        return None

    def reset(self) -> None:
        self.shown.clear()

    def draw(self, window: FeatureWindow) -> Frame:
        time.sleep(self._cost)
        self.shown[window.pts] = (float(window.rows[2, 0]), bool(window.voiced[2]))
        return Frame(self._grey, window.pts, 0, window.captured_ns)


def to_picture(frame: Frame) -> Picture:
    """The engine alone is measured, so colour costs nothing here."""
    return Picture(np.zeros((96, 64), np.uint8), (64, 64), frame.pts, frame.captured_ns, frame.duration,
                   generation=frame.generation)  # fmt: skip


class StampSource:
    """A live microphone whose samples say when they were captured, in blocks of 20 ms by the wall clock.

    Like anyone who speaks it pauses: 0.4 s in every 2.4 s, after the first second.
    """

    rate, live = SAMPLE_RATE, True

    def __init__(self, seconds: float) -> None:
        self._blocks = int(seconds * 50)
        self.began = 0.0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        return None

    def captured(self, index: int) -> float:
        """Wall-clock second at which sample `index` was captured."""
        return self.began + index / SAMPLE_RATE

    async def __aiter__(self) -> AsyncIterator[AudioChunk]:
        self.began = time.perf_counter()
        for k in range(self._blocks):
            await asyncio.sleep(max(0, self.captured((k + 1) * 320) - time.perf_counter()))
            samples = np.zeros(320, np.float32) if (k + 70) % 120 < 20 else stamp(k * 320, 320)
            yield AudioChunk(samples, SAMPLE_RATE, k * 320, ticks_from_samples(k * 320), time.monotonic_ns())


class StampSink:
    """Notes when each picture and each chunk came."""

    def __init__(self) -> None:
        self.pictures: list[tuple[float, Picture]] = []
        self.sound: list[tuple[float, AudioChunk]] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        return None

    async def show(self, picture: Picture) -> None:
        self.pictures.append((time.perf_counter(), picture))

    async def play(self, chunk: AudioChunk) -> None:
        self.sound.append((time.perf_counter(), chunk))
