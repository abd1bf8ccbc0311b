"""Publishes pictures and sound on a ZeroMQ PUB socket (message layout in `wire`). A slow subscriber loses messages."""

import secrets
from typing import Self

import zmq
from limner.engine.clock import MonotonicClock
from limner.engine.types import AudioChunk, Picture
from limner.streams.bus import Bus, parse
from limner.streams.wire import Event, pack

QUEUE = 16             # messages per subscriber, a fifth of a second; PUB then drops for that subscriber alone


class ZeroMQSink:
    """AVSink. Topics `video`, `audio`, and `event` with name "begin" or "end" around the session."""

    def __init__(self, endpoint: str, *, size: tuple[int, int], fps: int) -> None:
        """`endpoint` as `bus` describes it. Raises UsageError."""
        self._bus = Bus(parse(endpoint), zmq.PUB, QUEUE)
        self._about = {"height": size[0], "width": size[1], "fps": fps}
        self.session = secrets.token_hex(4)
        self._now_ns = MonotonicClock().now_ns
        self._pts = 0

    @property
    def address(self) -> str:
        """Where subscribers connect."""
        return self._bus.address

    async def __aenter__(self) -> Self:
        """Raises DeviceError for an address in use."""
        self._socket = self._bus.open()
        await self._send("event", Event("begin", self._about))
        return self

    async def __aexit__(self, *exc: object) -> None:
        try:
            await self._send("event", Event("end", pts=self._pts))
        finally:
            self._bus.close()

    async def show(self, picture: Picture) -> None:
        self._pts = picture.pts
        await self._send("video", picture, picture.generation, picture.captured_ns)

    async def play(self, chunk: AudioChunk) -> None:
        await self._send("audio", chunk, chunk.generation, chunk.captured_ns)

    async def _send(self, topic: str, body: object, generation: int = 0, captured_ns: int = 0) -> None:
        times = {"captured": captured_ns, "sent": self._now_ns()}
        # copy=False: a picture's planes are made once and never written again, so ZeroMQ may keep them until sent.
        await self._socket.send_multipart(pack(topic, body, session=self.session, generation=generation, times=times), copy=False)


def create(argument: str, *, size: tuple[int, int], fps: int) -> ZeroMQSink:
    """Registry entry: `argument` is the endpoint to bind."""
    return ZeroMQSink(argument, size=size, fps=fps)
