"""Time is one integer: ticks of 1/90 000 s since the session began.

24, 25, 30, 50 and 60 fps and 10 or 20 ms of sound are whole numbers of ticks, and RTP video uses the same unit
(RFC 3551). This file is the only one that reads a clock; everything else is given one.
"""

import asyncio
import heapq
import itertools
import time
from fractions import Fraction
from typing import Protocol

TICKS = 90_000                 # ticks per second
SAMPLE_RATE = 16_000           # Hz, mono, everywhere inside the engine
TICKS_PER_MS = TICKS // 1000   # 90


def ticks_from_seconds(seconds: float) -> int:
    """Nearest tick; for values that come from a user or a file header, never for the running time."""
    return round(seconds * TICKS)


def seconds(ticks: int) -> float:
    """For display and reports only."""
    return ticks / TICKS


def milliseconds(ticks: int) -> float:
    """For display and reports only."""
    return ticks / TICKS_PER_MS


def ticks_from_samples(index: int, rate: int = SAMPLE_RATE) -> int:
    """Tick at which sample `index` begins (floor)."""
    return index * TICKS // rate


def samples_from_ticks(ticks: int, rate: int = SAMPLE_RATE) -> int:
    """Index of the last sample that begins at or before `ticks`."""
    return ticks * rate // TICKS


def frame_duration(fps: int | Fraction) -> int:
    """Ticks per frame. Raises ValueError when `fps` does not divide the tick rate (24, 25, 30, 50, 60 do)."""
    duration = Fraction(TICKS) / Fraction(fps)
    if duration.denominator != 1:
        raise ValueError(f"{fps} frames per second is not a whole number of 1/{TICKS} s ticks; use 24, 25, 30, 50 or 60")
    return int(duration)


class Clock(Protocol):
    """What the engine needs of time."""

    def now(self) -> int:
        """Ticks since the session began."""

    def now_ns(self) -> int:
        """Monotonic nanoseconds, the unit of every `captured_ns` and `ready_ns` stamp."""

    async def sleep_until(self, ticks: int) -> None:
        """Return at or just after `ticks`; at once when that is past."""


class MonotonicClock:
    """The machine's monotonic clock, zero at construction."""

    def __init__(self) -> None:
        self._origin_ns = time.monotonic_ns()

    def now(self) -> int:
        return (time.monotonic_ns() - self._origin_ns) * 9 // 100_000   # 90 000 / 1e9, exact in integers

    def now_ns(self) -> int:
        return time.monotonic_ns()

    async def sleep_until(self, ticks: int) -> None:
        wait = ticks - self.now()
        if wait > 0:
            await asyncio.sleep(wait / TICKS)


class DeviceClock:
    """Follows a capture device whose crystal is not the machine's.

    `observe()` is told how many samples have arrived; a slow first-order loop follows their pace, so that a microphone
    that runs 100 ppm fast does not pile up sound. Corrections are slewed: `now()` never jumps or runs back. An offset
    beyond `JUMP` is no drift but lost sound or a stall; the clock then goes on from there at its own pace.
    """

    GAIN = 0.02          # of the offset, per observation: about 1 s to settle with 20 ms blocks
    MAX_SLEW = 0.005     # 5 ms per second, inaudible and invisible
    JUMP = TICKS // 10

    def __init__(self, base: Clock | None = None, rate: int = SAMPLE_RATE) -> None:
        self._base = base or MonotonicClock()
        self._rate = rate
        self._shift = 0.0                    # ticks added to the base's reading
        self._seen: int | None = None        # base time of the newest observation
        self._anchor = 0.0                   # what the device's count is ahead of the base by, at no drift
        self._last = 0

    def now(self) -> int:
        self._last = max(self._last, self._base.now() + round(self._shift))
        return self._last

    def now_ns(self) -> int:
        return self._base.now_ns()

    async def sleep_until(self, ticks: int) -> None:
        await self._base.sleep_until(self._base.now() + max(0, ticks - self.now()))
        while self.now() < ticks:            # the device may have slowed meanwhile
            await self._base.sleep_until(self._base.now() + ticks - self.now())

    def observe(self, samples: int) -> None:
        """`samples` have been captured in all, the newest just now."""
        base = self._base.now()
        ahead = ticks_from_samples(samples, self._rate) - base
        if self._seen is None:
            self._seen, self._anchor = base, ahead
            return
        elapsed, self._seen = base - self._seen, base
        error = ahead - self._anchor - self._shift
        if abs(error) > self.JUMP:
            self._anchor += error
            return
        limit = self.MAX_SLEW * elapsed
        self._shift += max(-limit, min(limit, self.GAIN * error))


class ManualClock:
    """Time that moves only when told; sleepers wake in order. For tests, offline work and simulations."""

    def __init__(self) -> None:
        self._now = 0
        self._order = itertools.count()
        self._sleepers: list[tuple[int, int, asyncio.Future[None]]] = []

    def now(self) -> int:
        return self._now

    def now_ns(self) -> int:
        return self._now * 100_000 // 9

    async def sleep_until(self, ticks: int) -> None:
        if ticks <= self._now:
            await asyncio.sleep(0)
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (ticks, next(self._order), future))
        await future

    async def advance(self, ticks: int) -> None:
        """Move forward by `ticks`, waking each sleeper at its own instant and letting its work run."""
        target = self._now + ticks
        while self._sleepers and self._sleepers[0][0] <= target:
            at, _, future = heapq.heappop(self._sleepers)
            self._now = max(self._now, at)
            if not future.done():
                future.set_result(None)
            await self.settle()
        self._now = target
        await self.settle()

    @staticmethod
    async def settle(rounds: int = 20) -> None:
        """Let every ready task run until it waits again."""
        for _ in range(rounds):
            await asyncio.sleep(0)
