"""Waiting for a time or for news, whichever is first."""

import asyncio

from .clock import Clock


class Pulse:
    """`fire` wakes everyone who waits; who was not waiting misses nothing he would not look up himself."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._waiters: set[asyncio.Future[None]] = set()

    def fire(self) -> None:
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)

    async def until(self, ticks: int | None = None) -> None:
        """Return at clock time `ticks` (never, when None) or at the next `fire`."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.add(waiter)
        timer = None if ticks is None else asyncio.ensure_future(self._clock.sleep_until(ticks))
        try:
            await asyncio.wait({waiter} if timer is None else {waiter, timer}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._waiters.discard(waiter)
            waiter.cancel()
            if timer is not None:
                timer.cancel()
