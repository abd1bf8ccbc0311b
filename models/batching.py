"""Draws of many sessions that are due together, in one call of the network they share.

`Gatherer` decides, without a clock or a thread: given who has asked and who asks at what pace, run what is here or wait
until when. `Batcher` is the shell around it that sessions call from their own threads.

A draw waits only for sessions that are about to ask, as their pace tells, and never longer than the slack; one session
alone, or one that does not come, costs the others nothing. While a call runs, asks pile up and the next call takes
them together, so that batches grow by themselves when the device is busy.
"""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from limner.cuda.lane import Lane
from limner.engine.clock import TICKS, TICKS_PER_MS, Clock, MonotonicClock

T = TypeVar("T")
R = TypeVar("R")
SLACK = 3 * TICKS_PER_MS                         # ticks a draw waits for others at most
MOST = 32                                        # draws in one call
PERIOD = TICKS // 4                              # a pace slower than this is none: nobody is waited for on it


@dataclass(frozen=True, slots=True)
class Ask(Generic[T]):
    """`item` to be drawn for `session`, asked for at tick `at`."""

    session: Any
    item: T
    at: int


@dataclass(slots=True)
class _Pace:
    last: int                                    # tick of the last ask
    period: int = 0                              # ticks between the last two; 0 while unknown or too slow to tell


class Gatherer(Generic[T]):
    """The decisions. Times are ticks of any clock that does not run back."""

    def __init__(self, *, slack: int = SLACK, most: int = MOST) -> None:
        self.slack, self.most = slack, most
        self._waiting: list[Ask[T]] = []         # in order of arrival
        self._paces: dict[Any, _Pace] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def ask(self, session: Any, item: T, now: int) -> Ask[T]:
        """Take in a draw. Any number of a session's may wait; they are drawn in their order."""
        self._pace(session, now)
        ask = Ask(session, item, now)
        self._waiting.append(ask)
        return ask

    def _pace(self, session: Any, now: int) -> None:
        for other in [each for each, pace in self._paces.items() if now - pace.last > 4 * PERIOD]:
            del self._paces[other]
        known = self._paces.get(session)
        gap = now - known.last if known else 0
        self._paces[session] = _Pace(now, gap if gap <= PERIOD else 0)

    def next(self, now: int) -> list[Ask[T]] | int | None:
        """What to draw now, or the tick to be asked again at unless something comes sooner, or None: nothing waits."""
        if not self._waiting:
            return None
        if len(self._waiting) < self.most:
            until = self._worth_waiting(now)
            if until > now:
                return until
        return self._take()

    def _worth_waiting(self, now: int) -> int:
        """Until when somebody who is not here yet can be expected, within the slack of who waits longest."""
        here, until = {ask.session for ask in self._waiting}, now
        limit = self._waiting[0].at + self.slack
        for session, pace in self._paces.items():
            expected = pace.last + pace.period
            if session not in here and pace.period and expected <= limit:
                until = max(until, min(limit, expected + self.slack))
        return until

    def _take(self) -> list[Ask[T]]:
        """The oldest asks, but the second of a session only after the first of every other."""
        turn: dict[Any, int] = {}
        ranked = []
        for order, ask in enumerate(self._waiting):
            turn[ask.session] = turn.get(ask.session, -1) + 1
            ranked.append((turn[ask.session], order, ask))
        taken = [ask for _, _, ask in sorted(ranked, key=lambda each: each[:2])[: self.most]]
        gone = set(map(id, taken))
        self._waiting = [ask for ask in self._waiting if id(ask) not in gone]
        return taken


class Batcher(Generic[T, R]):
    """`work(items) -> results` shared by sessions, run on `lane`. `draw` blocks the session's own thread.

    Memory that runs out makes the calls smaller (`Lane.fitting`). When a call of several fails, each is tried alone, so
    that only the session whose draw is at fault sees the error.
    """

    def __init__(self, work: Callable[[Sequence[T]], Sequence[R]], *, lane: Lane, slack: int = SLACK, most: int = MOST,
                 clock: Clock | None = None) -> None:
        self._work, self._lane, self._clock = work, lane, clock or MonotonicClock()
        self._gatherer: Gatherer[tuple[T, Future[R]]] = Gatherer(slack=slack, most=most)
        self._changed = threading.Condition()
        self._closed = False
        self.calls = self.drawn = 0              # calls of the network, and pictures they made
        self._thread = threading.Thread(target=self._serve, name="limner-batcher", daemon=True)
        self._thread.start()

    def draw(self, session: Any, item: T) -> R:
        """One item for `session` (any hashable), drawn together with what others ask for. Raises what drawing it raised."""
        future: Future[R] = Future()
        with self._changed:
            if self._closed:
                raise RuntimeError("the batcher is closed")
            self._gatherer.ask(session, (item, future), self._clock.now())
            self._changed.notify()
        return future.result()

    def close(self) -> None:
        """Draw what still waits, then end the thread. The lane stays open."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    def _serve(self) -> None:
        while (batch := self._gathered()) is not None:
            self._run(batch)

    def _gathered(self) -> list[Ask[tuple[T, "Future[R]"]]] | None:
        """The next batch; None once closed and empty."""
        with self._changed:
            while True:
                now = self._clock.now()
                found = self._gatherer.next(now)
                if isinstance(found, list):
                    return found
                if self._closed and found is None:
                    return None
                self._changed.wait(None if found is None else (found - now) / TICKS)

    def _run(self, batch: list[Ask[tuple[T, "Future[R]"]]]) -> None:
        asked = [ask.item for ask in batch]
        self.calls += 1
        try:
            results = self._lane.fitting(self._work, [item for item, _ in asked])
        except Exception as error:
            if len(batch) > 1:
                for ask in batch:
                    self._run([ask])
            else:
                asked[0][1].set_exception(error)
            return
        self.drawn += len(asked)
        for (_, future), result in zip(asked, results, strict=True):
            future.set_result(result)
