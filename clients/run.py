"""`limner run --from SOURCE --to SINK [--to SINK ...]`: a live session between devices, files and buses."""

import asyncio
import contextlib
import re
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial
from pathlib import Path

from limner.engine.clock import Clock, DeviceClock, MonotonicClock, milliseconds
from limner.engine.errors import LimnerError, UsageError
from limner.engine.protocols import AudioSource, AVSink
from limner.engine.session import Session
from limner.streams.watched import Watched

from . import assemble, loader, seat
from .memory import keep_flat, settle
from .options import Options
from .overhear import check_live, listening
from .recordings import checked
from .render import say_flat, say_notes, write_report

SOURCES = {"mic": "microphone", "zmq": "zeromq"}
SINKS = {"camera": "camera", "speaker": "speaker", "udp": "mpegts", "zmq": "zeromq", "whip": "whip", "null": "null"}

EXPECTED = "camera[:DEVICE], speaker[:DEVICE], udp:HOST:PORT, zmq:ENDPOINT, whip:URL, null"


def source_of(text: str, clock: Clock) -> AudioSource:
    """`mic[:NAME]`, `zmq:ENDPOINT` or a media file. Raises UsageError, MissingPackage."""
    kind, _, argument = text.partition(":")
    if kind in SOURCES and not Path(text).is_file():
        return loader.load("sources", SOURCES[kind]).create(argument, clock=clock)
    return loader.load("sources", "mediafile").create(text, clock=clock)


def sink_maker(text: str) -> Callable[..., AVSink]:
    """A sink as in `EXPECTED` as a function of `size` (H, W) and `fps`.

    Raises UsageError and MissingPackage, before anything slow is done.
    """
    kind, _, argument = text.partition(":")
    if kind in SINKS:
        return partial(loader.load("sinks", SINKS[kind]).create, argument)
    if Path(text).suffix.lower() == ".mp4":
        return partial(loader.load("sinks", "recorder").create, text)
    raise UsageError(f"--to {text}: expected {EXPECTED} or a file that ends in .mp4")


def clock_for(source: str) -> Clock:
    """A microphone's own crystal keeps the time of its session; anything else takes the machine's."""
    return DeviceClock() if source.split(":")[0] == "mic" else MonotonicClock()


def run(options: Options, source: str, sinks: Sequence[str], *, listen: str | None = None, recordings: Path | None = None,
        report: Path | None = None, quiet: bool = False) -> int:
    """Run until the source ends, Ctrl-C or SIGTERM; each closes recordings and devices. Returns 0.

    `listen` names the sound of whom the avatar talks with; `recordings` the folder for what is recorded from a bus. Raises the errors of the parts named (exit status 2). A sink
    that fails while others still work is reported when the session is over; the failure of the last one ends it.
    """
    if not sinks:
        raise UsageError("nothing to send to; expected at least one --to SINK, for example --to talk.mp4")
    keep_flat()
    return asyncio.run(live(options, source, sinks, report, quiet, listen, checked(recordings)))


async def live(options: Options, source: str, sinks: Sequence[str], report: Path | None, quiet: bool,
               listen: str | None = None, folder: Path | None = None) -> int:
    """Assemble and run one session. What is named is checked before the slow seating of the face."""
    clock = clock_for(source)
    ear, makers = source_of(source, clock), [sink_maker(text) for text in sinks]
    other = check_live(listen, source_of(listen, clock)) if listen else None
    face = assemble.face(options)
    say_notes(options, face, quiet)
    if flat := [text for text in sinks if not text.startswith(("zmq:", "null"))]:
        say_flat(options, ", ".join(flat), quiet)
    outlets = [Watched(make(size=face.animator.size, fps=options.fps)) for make in makers]
    face.animator = seated = seat.Seat(face.animator)
    session = assemble.session(options, sinks=outlets, source=ear, clock=clock, prepared=face)
    desk = seat.desk(session, seated, face, options, folder)
    for part in (ear, *(outlet.sink for outlet in outlets)):
        if hasattr(part, "attend"):                      # a bus also carries expressions, events and commands
            part.attend(desk)
    if not quiet:
        outlets[0].begun = once(f"{source} -> {', '.join(map(unsecret, sinks))}; {milliseconds(session.latency()):.0f} ms behind the "
                                "voice; Ctrl-C ends")
    settle()
    try:
        async with listening(session, other):
            await until_stopped(session)
    finally:
        if report:
            write_report(report, session.metrics.snapshot())
    failures = [outlet.error for outlet in outlets if outlet.error]
    if failures:
        raise first_of(failures)
    return 0


def unsecret(text: str) -> str:
    """A SINK without the token that its URL may hold."""
    return re.sub(r"//[^/@]*@", "//", text)


def once(line: str) -> Callable[[], None]:
    """A call that prints `line` on stderr the first time."""
    return cache(lambda: print(line, file=sys.stderr, flush=True))


async def until_stopped(session: Session) -> None:
    """Run the session to its end; SIGINT and SIGTERM close it in order."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    with handled(loop, stop):
        work, stopped = asyncio.create_task(session.run()), asyncio.create_task(stop.wait())
        await asyncio.wait({work, stopped}, return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        if not work.done():
            await session.close()
        await work


@contextlib.contextmanager
def handled(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> Iterator[None]:
    """Signals set `stop`. Where a loop cannot have handlers (Windows, other threads) Ctrl-C stays an exception."""
    signals = (signal.SIGINT, signal.SIGTERM)
    with contextlib.suppress(NotImplementedError, RuntimeError):
        for number in signals:
            loop.add_signal_handler(number, stop.set)
    try:
        yield
    finally:
        with contextlib.suppress(NotImplementedError, RuntimeError):
            for number in signals:
                loop.remove_signal_handler(number)


def first_of(errors: Sequence[Exception]) -> Exception:
    """The first error that a user can mend, else the first."""
    return next((e for e in errors if isinstance(e, LimnerError)), errors[0])
