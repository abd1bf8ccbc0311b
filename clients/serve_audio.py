"""`GET /audio`: a WebSocket that speaks through the face. What a client sends is in `streams/sources/websocket.py`.

The server answers in JSON text: `{"type": "ready", "session": ID, "latency_ms": n}`, then for each speech
`{"type": "speak", "state": "start", "utterance": n}` when its first sound is heard and `"state": "end"` with `"reason"`
`finished` (its last word has been seen) or `interrupted`. What cannot be used is `{"type": "error", "error": LINE}`,
and the socket is closed.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Self

from aiohttp import WSMsgType, web

from limner.engine.clock import Clock, milliseconds
from limner.engine.errors import InputError, LimnerError, UsageError
from limner.engine.types import AudioChunk, Picture
from limner.engine.utterance import Utterance
from limner.streams.pcm import PcmFeed
from limner.streams.sources.websocket import SocketSound, parse_command, parse_hello

from .serve_avatars import Gallery
from .serve_sessions import Live, Sessions

HELLO_WITHIN = 10             # s
MAX_MESSAGE = 2**20           # bytes
MAX_UNSAID = 64               # speeches that wait their turn
REFUSED = 1008                # RFC 6455: the message violates the endpoint's policy


class AudioClient:
    """One socket, counted among the peers of its session, and a sink of it: what is heard tells when speech starts."""

    viewer = microphone = None                   # what other peers have and this one has not
    watched = False                              # as a sink it takes the sound; pictures need not be drawn for it

    def __init__(self, socket: web.WebSocketResponse, clock: Clock) -> None:
        self.closed = asyncio.Event()
        self._socket, self._clock = socket, clock
        self._unsaid: dict[Utterance, int] = {}  # those whose first sound was not heard yet, and their numbers
        self._pending = 0                        # speeches not ended
        self._count = 0

    async def serve(self, sessions: Sessions, gallery: Gallery, fps: int, size: int) -> None:
        """Take what the client sends until it leaves. Raises LimnerError for what it should not have sent."""
        hello = parse_hello(await self._first())
        sound = SocketSound(hello, self._clock)
        live = await _session(sessions, gallery, hello.session, fps, size)
        sessions.join(live, self)
        try:
            await live.session.attach(self)
            await self._send(type="ready", session=live.id, latency_ms=milliseconds(live.session.latency()))
            async for message in self._socket:
                self._take(live, sound, message.type, message.data)
        finally:
            sound.end()
            self.closed.set()
            await live.session.detach(self)

    async def _first(self) -> str:
        try:
            async with asyncio.timeout(HELLO_WITHIN):
                message = await self._socket.receive()
        except TimeoutError:
            raise UsageError(f'nothing came within {HELLO_WITHIN} s; send {{"rate": 16000}} first') from None
        if message.type is not WSMsgType.TEXT:
            raise UsageError('the first message must be JSON text, for example {"rate": 16000}')
        return message.data

    def _take(self, live: Live, sound: SocketSound, kind: WSMsgType, data: str | bytes) -> None:
        if kind is WSMsgType.BINARY:
            if feed := sound.take(data):
                self._begin(live, feed)
        elif kind is WSMsgType.TEXT and parse_command(data) == "say-end":
            sound.end()
        elif kind is WSMsgType.TEXT:
            sound.discard()
            live.session.interrupt()

    def _begin(self, live: Live, feed: PcmFeed) -> None:
        if feed.live:
            live.start(_listen(live, feed))
            return
        if self._pending >= MAX_UNSAID:
            raise InputError(f"{MAX_UNSAID} speeches wait to be said; wait for their ends, or send one longer speech")
        self._count += 1
        self._pending += 1
        live.start(self._announce(live.session.say(aiter(feed)), self._count, feed))

    async def _announce(self, utterance: Utterance, number: int, feed: PcmFeed) -> None:
        self._unsaid[utterance] = number
        await asyncio.wait([utterance.done])
        feed.discard()
        self._pending -= 1
        self._unsaid.pop(utterance, None)
        await self._send(type="speak", state="end", utterance=number, reason=utterance.state)

    async def _send(self, **message: object) -> None:
        with contextlib.suppress(ConnectionError):           # the client has left
            await self._socket.send_json(message)

    # As a peer of its session

    def tell(self, message: dict) -> None:
        """Messages are for pages; a client is told its own."""

    async def close(self) -> None:
        """The session has ended."""
        self.closed.set()
        await self._socket.close()

    # As a sink of its session

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        return None

    async def show(self, picture: Picture) -> None:
        return None

    async def play(self, chunk: AudioChunk) -> None:
        for utterance, number in list(self._unsaid.items()):
            if utterance.said_before(chunk.start + len(chunk.samples)):
                del self._unsaid[utterance]
                await self._send(type="speak", state="start", utterance=number)


async def _session(sessions: Sessions, gallery: Gallery, wanted: str | None, fps: int, size: int) -> Live:
    """The session with this id; without one the only one there is, or a new one that everybody can watch by `/whep`."""
    if wanted is None and not len(sessions):
        return await sessions.open(await gallery.get(None), fps, size, shared=True)
    return sessions.find(wanted)


async def _listen(live: Live, feed: AsyncIterator[AudioChunk]) -> None:
    async for chunk in feed:
        live.session.push(chunk)


def routes(sessions: Sessions, gallery: Gallery, clock: Clock, *, fps: int, size: int) -> list[web.RouteDef]:
    """`fps` and `size` are those of a session opened for a client that finds none."""

    async def audio(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(heartbeat=20, max_msg_size=MAX_MESSAGE)
        await socket.prepare(request)
        try:
            await AudioClient(socket, clock).serve(sessions, gallery, fps, size)
        except LimnerError as error:
            with contextlib.suppress(ConnectionError):
                await socket.send_json({"type": "error", "error": str(error)})
                await socket.close(code=REFUSED, message=str(error).encode("ascii", "replace")[:120])
        return socket

    return [web.get("/audio", audio)]
