"""Fakes that behave like the real thing, for tests and simulations on a manual clock."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from .clock import SAMPLE_RATE, Clock, ManualClock, ticks_from_samples
from .types import EXPRESSION_ROW, AudioChunk, FeatureRows, FeatureWindow, Frame, Picture, Portrait

T = TypeVar("T")
HOP = 160                            # samples per 10 ms row


def speech_like(seconds: float, seed: int = 0, pause: float = 0.4) -> NDArray[np.float32]:
    """f32 [n] at 16 kHz: bursts of a buzzing voice of 0.3 to 1.2 s between pauses of about `pause` seconds."""
    rng = np.random.default_rng(seed)
    count = round(seconds * SAMPLE_RATE)
    out = np.zeros(count, np.float32)
    at = int(pause * SAMPLE_RATE)
    while at < count:
        length = min(count - at, int(rng.uniform(0.3, 1.2) * SAMPLE_RATE))
        time = np.arange(length) / SAMPLE_RATE
        pitch = rng.uniform(90, 220)
        voice = sum(np.sin(2 * np.pi * pitch * k * time) / k for k in range(1, 8))
        out[at : at + length] = 0.15 * voice * np.hanning(length) ** 0.25
        at += length + int(rng.uniform(0.5, 1.5) * pause * SAMPLE_RATE)
    return out


def chunks_of(samples: NDArray[np.float32], sizes: int | Sequence[int] = 320) -> Iterator[AudioChunk]:
    """`samples` as gap-free chunks of the given sizes, repeated as needed."""
    sizes = [sizes] if isinstance(sizes, int) else list(sizes)
    at = turn = 0
    while at < len(samples):
        part = samples[at : at + sizes[turn % len(sizes)]]
        yield AudioChunk(part, SAMPLE_RATE, at, ticks_from_samples(at), 0)
        at, turn = at + len(part), turn + 1


class FakeSource:
    """A source of given samples: live (each block when its last sample was captured, plus `delay(k)` ticks) or not."""

    rate = SAMPLE_RATE

    def __init__(
        self,
        samples: NDArray[np.float32],
        clock: Clock,
        *,
        live: bool = True,
        block: int = 320,
        delay: Callable[[int], int] = lambda k: 0,
        ppm: float = 0.0,
    ) -> None:
        self.live = live
        self._samples, self._clock, self._block, self._delay = samples, clock, block, delay
        self._speed = 1 + ppm * 1e-6
        self.began = 0                       # clock time of sample 0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        return None

    async def __aiter__(self) -> AsyncIterator[AudioChunk]:
        self.began = self._clock.now()
        for k, chunk in enumerate(chunks_of(self._samples, self._block)):
            if self.live:
                captured = self.began + round(ticks_from_samples(chunk.start + len(chunk.samples)) / self._speed)
                await self._clock.sleep_until(captured + self._delay(k))
            yield AudioChunk(chunk.samples, SAMPLE_RATE, chunk.start, chunk.pts, self._clock.now_ns())


# Fakes


class FakeExtractor:
    """Rows of loudness, 10 ms apart: every value of a row is the mean size of the samples it covers.

    A row covers its own hop and `lookahead` ticks from its instant on, so it needs all the future it declares.
    """

    step = 900

    def __init__(self, width: int = EXPRESSION_ROW, lookahead: int = 60 * 90) -> None:
        self.width, self.lookahead = width, lookahead
        self._ahead = max(HOP, lookahead * 8 // 45)
        self.reset()

    def reset(self) -> None:
        self._held = np.zeros(0, np.float32)
        self._pts: int | None = None

    def push(self, chunk: AudioChunk) -> FeatureRows | None:
        if self._pts is None:
            self._pts = chunk.pts
        self._held = np.concatenate([self._held, chunk.samples])
        count = max(0, (len(self._held) - self._ahead) // HOP + 1)
        if not count:
            return None
        spans = np.lib.stride_tricks.sliding_window_view(self._held, self._ahead)[::HOP][:count]
        loudness = np.minimum(1, np.abs(spans).mean(axis=1)).astype(np.float32)
        rows = FeatureRows(
            np.repeat(loudness[:, None], self.width, axis=1), self._pts, loudness > 1e-3, chunk.captured_ns
        )
        self._held = self._held[count * HOP :]
        self._pts += count * self.step
        return rows


class FakeAnimator:
    """A grey square as bright as the loudest weight of the centre row, its first pixel red while that row is voiced.

    `cost` ticks are charged to `lane` for every draw, and may be changed while it runs.
    """

    def __init__(
        self, size: int = 16, window: tuple[int, int] = (2, 1), cost: int = 0, lane: "InlineLane | None" = None
    ) -> None:
        self.size, self.window = (size, size), window
        self.cost, self._lane = cost, lane
        self.drawn: list[int] = []
        self.fail = False

    def sit(self, portrait: Portrait) -> None:
        return None

    def reset(self) -> None:
        self.drawn.clear()

    def draw(self, window: FeatureWindow) -> Frame:
        if self.fail:
            raise RuntimeError("the fake animator was told to fail")
        if self._lane is not None:
            self._lane.charge(self.cost)
        centre = self.window[0]
        pixels = np.full((*self.size, 3), round(min(1.0, float(window.rows[centre].max())) * 255), np.uint8)
        pixels[0, 0] = (255, 0, 0) if window.voiced[centre] else (0, 0, 255)
        self.drawn.append(window.pts)
        return Frame(pixels, window.pts, 0, window.captured_ns)


class InlineLane:
    """A lane on the loop itself whose work takes the simulated time it was charged with."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._owed = 0

    def charge(self, ticks: int) -> None:
        self._owed += ticks

    async def run(self, work: Callable[[], T]) -> T:
        result = work()
        owed, self._owed = self._owed, 0
        if owed:
            await self._clock.sleep_until(self._clock.now() + owed)
        return result


class CollectSink:
    """Keeps everything with the clock time it came at. May be told to block or to fail at the n-th picture."""

    def __init__(self, clock: Clock | None = None, *, fail_at: int | None = None, block_at: int | None = None) -> None:
        self._clock = clock
        self._fail_at, self._block_at = fail_at, block_at
        self.pictures: list[Picture] = []
        self.sound: list[AudioChunk] = []
        self.shown_at: list[int] = []
        self.played_at: list[int] = []
        self.opened = self.closed = 0
        self.release = asyncio.Event()

    async def __aenter__(self) -> Self:
        self.opened += 1
        return self

    async def __aexit__(self, *exc: object) -> None:
        self.closed += 1

    async def show(self, picture: Picture) -> None:
        if len(self.pictures) == self._fail_at:
            raise OSError("the fake sink was told to fail")
        if len(self.pictures) == self._block_at:
            await self.release.wait()
        self.pictures.append(picture)
        self.shown_at.append(self._clock.now() if self._clock else picture.pts)

    async def play(self, chunk: AudioChunk) -> None:
        self.sound.append(chunk)
        self.played_at.append(self._clock.now() if self._clock else chunk.pts)

    @property
    def heard(self) -> NDArray[np.float32]:
        """All sound played, one after another, f32 [n]."""
        return np.concatenate([chunk.samples for chunk in self.sound]) if self.sound else np.zeros(0, np.float32)


def voiced(picture: Picture) -> bool:
    """Whether FakeAnimator drew this picture from a voiced row: its first 2x2 block is warmer than it is blue."""
    height, width = picture.size
    quarter = height // 2 * (width // 2)
    chroma = picture.planes[height:].reshape(-1)
    return int(chroma[quarter]) > int(chroma[0])


async def run_for(clock: ManualClock, task: asyncio.Task[T], ticks: int) -> None:
    """Advance a manual clock by `ticks` while `task` runs; its error, if it ends with one, is raised here."""
    await clock.settle()
    await clock.advance(ticks)
    if task.done() and not task.cancelled() and task.exception():
        raise task.exception()
