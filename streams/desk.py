"""What other programs may ask of a running session, and what they are told about it. No socket: `zeromq` carries it."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Collection, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from limner.engine.clock import milliseconds
from limner.engine.errors import Busy, LimnerError, UsageError
from limner.engine.protocols import AVSink
from limner.engine.types import AudioChunk, Expression
from limner.engine.utterance import Utterance

from .audio import resample
from .takes import Take
from .wire import Event

WAITING = 32                   # utterances that may be queued
log = logging.getLogger("limner.zeromq")


class Attended(Protocol):
    """The part of a session that others may reach."""

    def latency(self) -> int: ...
    def say(self, speech: Any) -> Utterance: ...
    def interrupt(self) -> None: ...
    def express(self, expression: Expression | None) -> None: ...
    async def attach(self, sink: AVSink) -> None: ...
    async def detach(self, sink: AVSink) -> None: ...


@dataclass(frozen=True, slots=True)
class Drawn:
    """What one picture shows: whether there is speech, and the expression where the animator is driven by one."""

    pts: int
    voiced: bool
    expression: Expression | None


class Desk:
    """One per session; every method belongs to the event loop's thread.

    `drawn(pts)` gives the newest Drawn at or before a time on the media clock; `change(name)` seats another of `avatars`,
    `feel(name)` draws in another of `moods`, from the next picture on; `film()` gives a new recording's name and its sink.
    Events (`tell` says who hears them): "utterance" {id, state: started | finished | interrupted}, "interrupted",
    "avatar" {name, state: changed | failed}, "recording" {name, state: started | stopped | failed}.
    """

    def __init__(self, session: Attended, *, drawn: Callable[[int], Drawn | None] = lambda pts: None,
                 avatars: Collection[str] = (), change: Callable[[str], Awaitable[None]] | None = None,
                 moods: Collection[str] = (), feel: Callable[[str], None] | None = None,
                 film: Callable[[], tuple[str, AVSink]] | None = None) -> None:
        self._session, self._change, self._feel, self._film = session, change, feel, film
        self.drawn, self._avatars, self._moods = drawn, sorted(avatars), list(moods)
        self._listeners: list[Callable[[Event], None]] = []
        self._utterances: dict[int, Utterance] = {}          # not yet over
        self._unheard: set[int] = set()                      # of them, those not yet begun
        self._said = self._pts = 0
        self._changing: asyncio.Task[None] | None = None
        self._take: Take | None = None
        self._tasks: set[asyncio.Task[None]] = set()         # asyncio itself keeps no hold of them

    def tell(self, listener: Callable[[Event], None]) -> None:
        """Call `listener` with every event from now on."""
        self._listeners.append(listener)

    def perform(self, command: Event) -> Mapping[str, Any]:
        """Do what is asked and return what there is to answer. Raises LimnerError, in one line, when it cannot be done."""
        return getattr(self, f"_do_{command.name}")(command) or {}

    def express(self, expression: Expression | None) -> None:
        """As `Session.express`."""
        self._session.express(expression)

    def interrupt(self) -> None:
        """As `Session.interrupt`."""
        self._session.interrupt()
        self._tell("interrupted")

    def seen(self, chunk: AudioChunk) -> None:
        """`chunk` of the session's sound was handed over now."""
        self._pts = chunk.pts
        end = chunk.start + len(chunk.samples)
        for number in sorted(self._unheard):
            if self._utterances[number].said_before(end):
                self._unheard.discard(number)
                self._tell("utterance", id=number, state="started")

    def _tell(self, event: str, **data: Any) -> None:
        for listener in self._listeners:
            listener(Event(event, data, self._pts))

    def _do_interrupt(self, command: Event) -> None:
        self.interrupt()

    def _do_express(self, command: Event) -> None:
        self.express(command.body)

    def _do_express_none(self, command: Event) -> None:
        self.express(None)

    def _do_say(self, command: Event) -> Mapping[str, Any]:
        if len(self._utterances) >= WAITING:
            raise Busy(f"{WAITING} utterances wait already; say more when one is over, or interrupt")
        utterance = self._session.say(resample(command.body.samples, command.body.rate))
        self._said += 1
        number = self._said
        self._utterances[number] = utterance
        self._unheard.add(number)
        utterance.done.add_done_callback(lambda done: self._over(number, done))
        return {"utterance": number}

    def _over(self, number: int, done: asyncio.Future[str]) -> None:
        del self._utterances[number]
        self._unheard.discard(number)
        if not done.cancelled():
            self._tell("utterance", id=number, state=done.result())

    def _do_avatar(self, command: Event) -> Mapping[str, Any]:
        name = command.data.get("name")
        if self._change is None or name not in self._avatars:
            raise UsageError(f"no avatar {str(name)!r:.60} to change to; there are: {', '.join(self._avatars) or 'none'}")
        if self._changing and not self._changing.done():
            raise Busy("the avatar is being changed already; ask again when that is done")
        self._changing = asyncio.ensure_future(self._seat(name))
        return {"name": name}

    async def _seat(self, name: str) -> None:
        try:
            await self._change(name)
        except LimnerError as error:
            log.warning("the avatar stays: %s", error)
            self._tell("avatar", name=name, state="failed", error=str(error))
        else:
            self._tell("avatar", name=name, state="changed")

    def _do_mood(self, command: Event) -> Mapping[str, Any]:
        name = command.data.get("name")
        if self._feel is None or name not in self._moods:
            raise UsageError(f"no mood {str(name)!r:.60} to draw in; there are: {', '.join(self._moods) or 'none'}")
        self._feel(name)
        return {"name": name}

    def _do_record(self, command: Event) -> Mapping[str, Any]:
        if self._film is None:
            raise UsageError("nothing is recorded from here; start limner with --recordings DIR")
        if self._take and not self._take.over.is_set():
            raise Busy(f"{self._take.name} is being recorded already; stop it first")
        name, sink = self._film()
        self._take = Take(self._session, sink, name)
        self._start(self._record(self._take))
        return {"name": name}

    def _do_record_stop(self, command: Event) -> Mapping[str, Any]:
        if self._take is None or self._take.over.is_set():
            raise UsageError("nothing is being recorded")
        self._start(self._stop(self._take))
        return {"name": self._take.name}

    async def _record(self, take: Take) -> None:
        try:
            await take.start()
            self._tell("recording", name=take.name, state="started")
            await take.over.wait()
            await take.stop()
        except Exception as error:                           # whatever broke, who asked for it is told
            log.warning("%s: the recording failed: %s", take.name, error)
            self._tell("recording", name=take.name, state="failed", error=str(error) or type(error).__name__)
        else:
            self._tell("recording", name=take.name, state="stopped")

    async def _stop(self, take: Take) -> None:
        with contextlib.suppress(Exception):                 # `_record` tells it
            await take.stop()

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _do_status(self, command: Event) -> Mapping[str, Any]:
        return {"latency_ms": milliseconds(self._session.latency()), "pts": self._pts, "avatars": self._avatars,
                "moods": self._moods, "utterances": sorted(self._utterances),
                "recording": self._take.name if self._take and not self._take.over.is_set() else None}
