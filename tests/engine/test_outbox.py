"""Hand-over to sinks that are quick, slow, stuck or broken."""

import asyncio
import logging

import numpy as np
import pytest

from limner.engine.clock import ManualClock
from limner.engine.errors import UsageError
from limner.engine.metrics import Metrics
from limner.engine.outbox import InOrder, LatestWins, Outbox, Outboxes
from limner.engine.testing import CollectSink, chunks_of
from limner.engine.types import Picture


def picture(pts=0):
    return Picture(np.zeros((3, 2), np.uint8), (2, 2), pts, 0, 3600)


CHUNK = next(chunks_of(np.zeros(320, np.float32)))


def test_latest_wins_counts_what_it_replaces():
    box = LatestWins()
    for k in range(3):
        box.put(k)
    assert (len(box), box.take(), box.take(), box.dropped) == (1, 2, None, 2)
    box.put(5)
    box.clear()
    assert box.dropped == 3


def test_in_order_counts_what_does_not_fit():
    box = InOrder(2)
    for k in range(5):
        box.put(k)
    assert (box.take(), box.take(), box.take(), box.dropped) == (3, 4, None, 3)
    box.put(5)
    box.clear()
    assert (len(box), box.dropped) == (0, 4)


@pytest.fixture
def clock():
    return ManualClock()


async def test_a_sink_gets_everything_and_is_closed_once(clock):
    sink = CollectSink(clock)
    box = Outbox(sink, clock, Metrics())
    await box.open()
    for k in range(4):
        box.show(picture(k))
        box.play(CHUNK)
        await clock.settle()
    await box.close()
    assert [shown.pts for shown in sink.pictures] == [0, 1, 2, 3]
    assert len(sink.sound) == 4
    assert (sink.opened, sink.closed) == (1, 1)


async def test_closing_waits_for_what_was_handed_over(clock):
    sink = CollectSink(clock)
    box = Outbox(sink, clock, Metrics())
    await box.open()
    for _ in range(20):
        box.play(CHUNK)
    await box.close()
    assert len(sink.sound) == 20


async def test_a_stuck_sink_loses_pictures_and_bounded_sound_and_can_still_be_closed(clock):
    sink, metrics = CollectSink(clock, block_at=0), Metrics()
    box = Outbox(sink, clock, metrics)
    await box.open()
    for k in range(100):
        box.show(picture(k))
        await clock.settle()
        box.play(CHUNK)
    assert metrics.counters["sink_dropped_pictures"] == 98          # one is stuck inside, one waits
    assert metrics.counters["sink_dropped_sound"] == 50
    closing = asyncio.create_task(box.close())
    await clock.settle()
    assert not closing.done()
    await clock.advance(Outbox.DRAIN)
    await closing
    assert sink.closed == 1


async def test_a_failing_sink_is_closed_with_one_line(clock, caplog):
    sink, metrics = CollectSink(clock, fail_at=1), Metrics()
    box = Outbox(sink, clock, metrics)
    await box.open()
    with caplog.at_level(logging.ERROR, "limner"):
        for k in range(5):
            box.show(picture(k))
            await clock.settle()
        await box.close()
    assert [record.message for record in caplog.records] == ["CollectSink failed and was closed: the fake sink was told to fail"]
    assert sink.closed == 1
    assert metrics.counters["sink_failures"] == 1


async def test_purge_forgets_what_was_not_taken(clock):
    sink, metrics = CollectSink(clock, block_at=0), Metrics()
    box = Outbox(sink, clock, metrics)
    await box.open()
    box.show(picture(0))
    await clock.settle()
    box.show(picture(1))
    for _ in range(3):
        box.play(CHUNK)
    box.purge()
    sink.release.set()
    await clock.settle()
    assert len(sink.sound) == 0
    assert [shown.pts for shown in sink.pictures] == [0]
    assert metrics.counters["purged"] == 4
    await box.close()


async def test_one_sinks_failure_is_not_anothers(clock):
    good, bad = CollectSink(clock), CollectSink(clock, fail_at=0)
    boxes = Outboxes([bad, good], clock, Metrics())
    await boxes.open()
    for k in range(5):
        boxes.show(picture(k))
        boxes.play(CHUNK)
        await clock.settle()
    await boxes.close()
    assert len(good.pictures) == len(good.sound) == 5
    assert bad.closed == good.closed == 1


async def test_the_last_failure_is_raised(clock):
    boxes = Outboxes([CollectSink(clock, fail_at=0)], clock, Metrics())
    await boxes.open()
    boxes.show(picture())
    await clock.settle()
    with pytest.raises(OSError, match="told to fail"):
        boxes.show(picture())


async def test_sinks_come_and_go(clock):
    boxes, late = Outboxes([], clock, Metrics()), CollectSink(clock)
    await boxes.open()
    boxes.show(picture(0))
    await boxes.attach(late)
    boxes.show(picture(1))
    await clock.settle()
    await boxes.detach(late)
    boxes.show(picture(2))
    await clock.settle()
    assert [shown.pts for shown in late.pictures] == [1]
    assert late.closed == 1


class Gate(CollectSink):
    """Opens when told to."""

    def __init__(self, clock):
        super().__init__(clock)
        self.entered, self.gate = 0, asyncio.Event()

    async def __aenter__(self):
        self.entered += 1
        await self.gate.wait()
        return self


async def test_a_sink_that_came_before_the_opening_is_opened_once(clock):
    boxes, early = Outboxes([], clock, Metrics()), Gate(clock)
    early.gate.set()
    await boxes.attach(early)
    await boxes.open()
    await boxes.close()
    assert (early.entered, early.closed) == (1, 1)


async def test_once_closed_no_sink_is_opened(clock):
    boxes, late = Outboxes([], clock, Metrics()), Gate(clock)
    await boxes.close()
    with pytest.raises(UsageError, match="no more outlets"):
        await boxes.attach(late)
    assert late.entered == 0


async def test_a_sink_that_opens_while_all_are_closed_is_closed_too(clock):
    boxes, late = Outboxes([], clock, Metrics()), Gate(clock)
    coming = asyncio.create_task(boxes.attach(late))
    await clock.settle()
    await boxes.close()
    late.gate.set()
    with pytest.raises(UsageError, match="no more outlets"):
        await coming
    assert (late.entered, late.closed) == (1, 1)


async def test_a_sink_detached_while_all_are_closed_is_left_once(clock):
    sink = CollectSink(clock)
    boxes = Outboxes([sink], clock, Metrics())
    await boxes.open()
    boxes.show(picture())
    await asyncio.gather(boxes.close(), boxes.detach(sink))
    assert sink.closed == 1 and len(sink.pictures) == 1


async def test_closing_waits_for_a_failed_sink_to_be_left(clock):
    class Slow(CollectSink):
        async def __aexit__(self, *exc):
            await asyncio.sleep(0.01)
            await super().__aexit__(*exc)

    boxes = Outboxes([sink := Slow(clock, fail_at=0)], clock, Metrics())
    await boxes.open()
    boxes.show(picture())
    await boxes.close()
    assert sink.closed == 1
