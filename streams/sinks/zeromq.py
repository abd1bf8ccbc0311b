"""Publishes pictures, sound, expressions and events on a ZeroMQ PUB socket (message layout in `wire`).

A slow subscriber loses messages, alone; nobody is waited for. Options after the endpoint's question mark, beside those
of `bus`: `format=i420|rgb|bgra|jpeg`, `quality=1..100` for JPEG, `shm=1` for pictures in shared memory (`slots`), and
`control=ENDPOINT` for a second socket that takes commands and answers them (`reception`).
"""

import asyncio
import secrets
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import Self

import zmq

from limner.engine.clock import MonotonicClock
from limner.engine.errors import UsageError
from limner.engine.types import AudioChunk, Picture
from limner.streams.bus import Bus, local, parse
from limner.streams.desk import Desk
from limner.streams.formats import QUALITY, Formatter
from limner.streams.reception import Reception
from limner.streams.slots import SlotWriter
from limner.streams.wire import KINDS, Event, pack

QUEUE = 16             # messages per subscriber, a sixth of a second; PUB then drops for that subscriber alone
OPTIONS = ("format", "quality", "shm", "control")
FLAGS = {"0": False, "1": True}


class ZeroMQSink:
    """AVSink. Topics `video`, `audio`; with a `Desk` to attend also `expression` (what each picture shows) and `event`.

    Events besides the desk's: "begin" {height, width, fps, format} and "end" around the session, "voice" {state:
    started | stopped} with the picture that shows it.
    """

    def __init__(self, endpoint: str, *, size: tuple[int, int], fps: int) -> None:
        """`endpoint` as said above. Raises UsageError."""
        found = parse(endpoint, OPTIONS)
        self._bus = Bus(found, zmq.PUB, QUEUE)
        self._formatter = Formatter(found.options.get("format", "i420"), _quality(found.options.get("quality")))
        self._shared = FLAGS.get(found.options.get("shm", "0"))
        if self._shared is None or (self._shared and not local(found.address)):
            raise UsageError(f"zmq:{endpoint}: shm is 0 or 1, and 1 only for subscribers on this machine")
        control = found.options.get("control")
        self.reception = Reception(found.beside(control)) if control else None
        self._size = size
        self._about = {"height": size[0], "width": size[1], "fps": fps, "format": self._formatter.kind}
        self.session = secrets.token_hex(4)
        self._now_ns = MonotonicClock().now_ns
        self._desk: Desk | None = None
        self._events: deque[Event] = deque(maxlen=1000)
        self._slots: SlotWriter | None = None
        self._pts, self._expressed, self._voiced = 0, -1, False

    @property
    def address(self) -> str:
        """Where subscribers connect."""
        return self._bus.address

    def attend(self, desk: Desk) -> None:
        """Publish what `desk` has to tell and let it do what is asked."""
        self._desk = desk
        desk.tell(self._events.append)
        if self.reception:
            self.reception.desk = desk

    async def __aenter__(self) -> Self:
        """Raises DeviceError for an address in use."""
        if self._shared:
            height, width = self._size
            self._slots = SlotWriter(int(height * width * KINDS[self._formatter.kind]))
            self._formatter = Formatter(self._formatter.kind, self._formatter.quality, self._slots)
        try:
            self._socket = self._bus.open()
            if self.reception:
                self.reception.open()
        except BaseException:
            self._release()
            raise
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="limner-zeromq")
        await self._send("event", Event("begin", self._about))
        return self

    def _release(self) -> None:
        self._bus.close()
        if self._slots:
            self._slots.close()

    async def __aexit__(self, *exc: object) -> None:
        try:
            await self._news()
            await self._send("event", Event("end", pts=self._pts))
            if self.reception:
                await self.reception.close()
        finally:
            self._thread.shutdown()
            self._release()

    async def show(self, picture: Picture) -> None:
        self._pts = picture.pts
        await self._express(picture.pts)
        if not self._formatter.plain or picture.alpha is not None:
            picture = await asyncio.get_running_loop().run_in_executor(self._thread, self._formatter, picture)
        await self._send("video", picture, picture.generation, picture.captured_ns)
        await self._news()

    async def play(self, chunk: AudioChunk) -> None:
        await self._send("audio", chunk, chunk.generation, chunk.captured_ns)
        if self._desk:
            self._desk.seen(chunk)
            await self._news()

    async def _express(self, pts: int) -> None:
        drawn = self._desk.drawn(pts) if self._desk else None
        if drawn is None or drawn.pts == self._expressed:
            return
        self._expressed = drawn.pts
        if drawn.expression:
            await self._send("expression", drawn.expression)
        if drawn.voiced != self._voiced:
            self._voiced = drawn.voiced
            self._events.append(Event("voice", {"state": "started" if drawn.voiced else "stopped"}, pts))

    async def _news(self) -> None:
        while self._events:
            await self._send("event", self._events.popleft())

    async def _send(self, topic: str, body: object, generation: int = 0, captured_ns: int = 0) -> None:
        times = {"captured": captured_ns, "sent": self._now_ns()}
        # copy=False: what is sent is made once and never written again, so ZeroMQ may keep it until sent.
        await self._socket.send_multipart(pack(topic, body, session=self.session, generation=generation, times=times), copy=False)


def _quality(text: str | None) -> int:
    try:
        return QUALITY if text is None else int(text)
    except ValueError:
        raise UsageError(f"zmq quality={text}: expected 1 to 100") from None


def create(argument: str, *, size: tuple[int, int], fps: int) -> ZeroMQSink:
    """Registry entry: `argument` is the endpoint to bind, with its options."""
    return ZeroMQSink(argument, size=size, fps=fps)
