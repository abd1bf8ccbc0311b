"""16-bit PCM handed over piece by piece, as sockets and voice agents do, to the engine's own sound."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from typing import Self

import numpy as np
from numpy.typing import NDArray

from limner.engine.clock import SAMPLE_RATE, Clock, MonotonicClock, ticks_from_samples
from limner.engine.errors import UsageError
from limner.engine.types import AudioChunk
from limner.streams.audio import Resampler, mix_down, to_float

RATES = (8_000, 48_000)       # Hz
MAX_CHANNELS = 8


class PcmFeed:
    """AudioSource that gives what it takes. Pieces may be cut anywhere, even inside a sample; nothing is ever dropped.

    `waiting` counts samples (16 kHz) taken and not yet given; whoever takes from a stranger bounds it.
    """

    rate = SAMPLE_RATE

    def __init__(self, rate: int, channels: int = 1, *, live: bool = False, clock: Clock | None = None) -> None:
        """`rate` Hz and interleaved `channels` of what will be taken. Raises UsageError outside `RATES` or for more than 8 channels."""
        low, high = RATES
        if not low <= rate <= high or not 1 <= channels <= MAX_CHANNELS:
            raise UsageError(f"PCM of {channels} channels at {rate} Hz: expected 1 to {MAX_CHANNELS} channels at {low} to {high} Hz")
        self.live = live
        self.waiting = 0
        self._channels = channels
        self._clock = clock or MonotonicClock()
        self._resampler = Resampler(rate)
        self._split = b""                        # of a sample whose rest is still to come
        self._given = 0
        self._pieces: deque[NDArray[np.float32]] = deque()
        self._ended = False
        self._changed = asyncio.Event()

    def take(self, data: bytes | memoryview) -> None:
        """s16le samples, as many bytes as there are."""
        data = self._split + bytes(data)
        whole = len(data) - len(data) % (2 * self._channels)
        self._split = data[whole:]
        samples = np.frombuffer(data[:whole], "<i2").reshape(-1, self._channels)
        self._add(self._resampler.push(mix_down(to_float(samples.T))))

    def end(self) -> None:
        """No more will come: the iteration ends after what is waiting. Half a sample at the very end is no sample."""
        self._add(self._resampler.flush())
        self._ended = True
        self._changed.set()

    def discard(self) -> None:
        """Forget what is waiting and take no more; nobody is kept waiting."""
        self._pieces.clear()
        self.waiting, self._ended = 0, True
        self._changed.set()

    async def room(self, seconds: float) -> None:
        """Return once no more than `seconds` are waiting."""
        while self.waiting > seconds * SAMPLE_RATE:
            self._changed.clear()
            await self._changed.wait()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        self.end()

    async def __aiter__(self) -> AsyncIterator[AudioChunk]:
        while True:
            if self._pieces:
                yield self._chunk(self._pieces.popleft())
            elif self._ended:
                return
            else:
                self._changed.clear()
                await self._changed.wait()

    def _add(self, samples: NDArray[np.float32]) -> None:
        if len(samples) and not self._ended:
            self._pieces.append(samples)
            self.waiting += len(samples)
            self._changed.set()

    def _chunk(self, samples: NDArray[np.float32]) -> AudioChunk:
        start, self._given = self._given, self._given + len(samples)
        self.waiting -= len(samples)
        self._changed.set()
        return AudioChunk(samples, SAMPLE_RATE, start, ticks_from_samples(start), self._clock.now_ns())
