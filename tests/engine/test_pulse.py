"""Time or news, whichever is first."""

import asyncio

from limner.engine.clock import ManualClock
from limner.engine.pulse import Pulse


async def test_news_wakes_before_the_time():
    clock = ManualClock()
    pulse = Pulse(clock)
    waiting = [asyncio.create_task(pulse.until(500)), asyncio.create_task(pulse.until())]
    await clock.settle()
    pulse.fire()
    await clock.settle()
    assert all(task.done() for task in waiting)
    assert clock.now() == 0


async def test_time_wakes_without_news():
    clock = ManualClock()
    timed, untimed = asyncio.create_task(Pulse(clock).until(500)), asyncio.create_task(Pulse(clock).until())
    await clock.settle()
    await clock.advance(499)
    assert not timed.done()
    await clock.advance(1)
    assert timed.done()
    assert not untimed.done()
    untimed.cancel()


async def test_news_before_anyone_waits_is_not_kept():
    clock = ManualClock()
    pulse = Pulse(clock)
    pulse.fire()
    waiting = asyncio.create_task(pulse.until(10))
    await clock.settle()
    assert not waiting.done()
    await clock.advance(10)
    assert waiting.done()


async def test_nothing_is_left_behind():
    clock = ManualClock()
    pulse = Pulse(clock)
    for _ in range(5):
        waiting = asyncio.create_task(pulse.until(1_000_000))
        await clock.settle()
        waiting.cancel()
        await clock.settle()
    assert not pulse._waiters
