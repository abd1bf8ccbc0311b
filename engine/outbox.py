"""Bounded hand-over to sinks. The policy is in the name and what it drops is counted."""

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from typing import Generic, TypeVar

from .clock import TICKS, Clock
from .errors import UsageError
from .metrics import Metrics
from .protocols import AVSink
from .types import AudioChunk, Picture

T = TypeVar("T")
log = logging.getLogger("limner")


class LatestWins(Generic[T]):
    """Room for one. A newer item replaces one that was not taken, which is counted as dropped."""

    def __init__(self) -> None:
        self._item: T | None = None
        self.dropped = 0

    def __len__(self) -> int:
        return self._item is not None

    def put(self, item: T) -> None:
        self.dropped += self._item is not None
        self._item = item

    def take(self) -> T | None:
        item, self._item = self._item, None
        return item

    def clear(self) -> None:
        self.dropped += self._item is not None
        self._item = None


class InOrder(Generic[T]):
    """Room for `size`, first in first out. When full the oldest goes and is counted as dropped."""

    def __init__(self, size: int) -> None:
        self._items: deque[T] = deque()
        self._size = size
        self.dropped = 0

    def __len__(self) -> int:
        return len(self._items)

    def put(self, item: T) -> None:
        if len(self._items) == self._size:
            self._items.popleft()
            self.dropped += 1
        self._items.append(item)

    def take(self) -> T | None:
        return self._items.popleft() if self._items else None

    def clear(self) -> None:
        self.dropped += len(self._items)
        self._items.clear()


class Outbox:
    """One sink and the task that feeds it. A sink that blocks loses pictures, one that fails is closed; alone."""

    SOUND = 50                       # chunks, one second
    DRAIN = 2 * TICKS                # how long a sink may take over what it still has when it is closed

    def __init__(self, sink: AVSink, clock: Clock, metrics: Metrics) -> None:
        self.sink = sink
        self.error: Exception | None = None
        self.pictures: LatestWins[tuple[Picture, int]] = LatestWins()
        self.sound: InOrder[AudioChunk] = InOrder(self.SOUND)
        self._clock = clock
        self._metrics = metrics
        self._filled = asyncio.Event()
        self._empty = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._closing = asyncio.Lock()           # the session's end may come while somebody detaches the sink
        self._left = False

    @property
    def begun(self) -> bool:
        return self._task is not None

    @property
    def name(self) -> str:
        return type(self.sink).__name__

    async def open(self) -> None:
        """Enter the sink, whose errors are the caller's, and begin to feed it."""
        await self.sink.__aenter__()
        self._task = asyncio.create_task(self._feed(), name=f"outbox {self.name}")

    async def close(self) -> None:
        """Wait for the sink to take what was handed over, `DRAIN` ticks at most, then leave it; again is harmless."""
        async with self._closing:
            if self._task is None or self._left:
                return
            self._left = True
            if self.error is None:
                await self._drain()
            if self.error is None:               # a sink that failed, perhaps just now, is left by its own task
                self._task.cancel()
            await asyncio.wait({self._task})
            if self.error is None:
                await self._leave()

    def show(self, picture: Picture) -> None:
        before = self.pictures.dropped
        self.pictures.put((picture, self._clock.now_ns()))
        self._metrics.count("sink_dropped_pictures", self.pictures.dropped - before)
        self._wake()

    def play(self, chunk: AudioChunk) -> None:
        before = self.sound.dropped
        self.sound.put(chunk)
        self._metrics.count("sink_dropped_sound", self.sound.dropped - before)
        self._wake()

    def purge(self) -> None:
        """Nothing handed over so far is wanted any more."""
        self._metrics.count("purged", len(self.pictures) + len(self.sound))
        self.pictures.clear()
        self.sound.clear()

    def _wake(self) -> None:
        self._empty.clear()
        self._filled.set()

    async def _feed(self) -> None:
        try:
            while True:
                await self._next()
        except Exception as error:
            self.error = error
            self._metrics.count("sink_failures")
            log.error("%s failed and was closed: %s", self.name, error or type(error).__name__)
            self._empty.set()
            await self._leave()

    async def _next(self) -> None:
        if (chunk := self.sound.take()) is not None:
            await self.sink.play(chunk)
        elif (item := self.pictures.take()) is not None:
            picture, handed_ns = item
            self._metrics.time("outbox", self._clock.now_ns() - handed_ns)
            await self.sink.show(picture)
        else:
            self._filled.clear()
            self._empty.set()
            await self._filled.wait()

    async def _drain(self) -> None:
        empty = asyncio.ensure_future(self._empty.wait())
        limit = asyncio.ensure_future(self._clock.sleep_until(self._clock.now() + self.DRAIN))
        await asyncio.wait({empty, limit}, return_when=asyncio.FIRST_COMPLETED)
        empty.cancel()
        limit.cancel()

    async def _leave(self) -> None:
        try:
            await self.sink.__aexit__(None, None, None)
        except Exception as error:
            log.error("%s did not close cleanly: %s", self.name, error or type(error).__name__)


class Outboxes:
    """All sinks of a session."""

    def __init__(self, sinks: Sequence[AVSink], clock: Clock, metrics: Metrics) -> None:
        self._clock, self._metrics = clock, metrics
        self._boxes = [Outbox(sink, clock, metrics) for sink in sinks]
        self._over = False

    async def open(self) -> None:
        for box in list(self._boxes):
            if not box.begun:                    # one that was attached before is
                await box.open()

    async def close(self) -> None:
        self._over = True
        await asyncio.gather(*(box.close() for box in self._boxes))

    async def attach(self, sink: AVSink) -> None:
        """Raises UsageError once closed; what was opened meanwhile is closed again."""
        box = Outbox(sink, self._clock, self._metrics)
        if not self._over:
            await box.open()
        if self._over:
            await box.close()
            raise UsageError("the session is over and takes no more outlets")
        self._boxes.append(box)

    async def detach(self, sink: AVSink) -> None:
        for box in [each for each in self._boxes if each.sink is sink]:
            self._boxes.remove(box)
            await box.close()

    @property
    def watched(self) -> bool:
        """Whether any sink wants pictures now; one that has no `watched` of its own always does."""
        return any(getattr(box.sink, "watched", True) for box in self._boxes if box.error is None)

    def show(self, picture: Picture) -> None:
        for box in self._usable():
            box.show(picture)

    def play(self, chunk: AudioChunk) -> None:
        for box in self._usable():
            box.play(chunk)

    def purge(self) -> None:
        for box in self._boxes:
            box.purge()

    def _usable(self) -> list[Outbox]:
        """Raises the last sink's error when every one has failed."""
        usable = [box for box in self._boxes if box.error is None]
        if self._boxes and not usable:
            raise self._boxes[-1].error
        return usable
