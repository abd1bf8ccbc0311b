"""A voice, expressions and commands from a ZeroMQ PULL socket (message layout in `wire`).

Sound of any rate becomes the session's live voice; `expression` messages move the face beside it; `control` messages
command it, unanswered (those who want answers ask the sink's `control` socket). A message that is malformed, or asks
what cannot be done, is counted and dropped with one log line.
"""

import dataclasses
import logging
from collections import Counter
from collections.abc import AsyncIterator
from typing import Self

import zmq

from limner.engine.clock import SAMPLE_RATE, Clock, ticks_from_samples
from limner.engine.errors import LimnerError
from limner.engine.types import AudioChunk
from limner.streams.audio import Resampler
from limner.streams.bus import Bus, parse
from limner.streams.desk import Desk
from limner.streams.wire import Message, WireError, unpack

QUEUE = 100                        # messages held per sender, about two seconds; then the sender waits
OLDEST_NS = 5_000_000_000          # a capture time further back is another machine's clock, not a delay
log = logging.getLogger("limner.zeromq")


class ZeroMQSource:
    """AudioSource, live. `counts` holds messages by topic, and "malformed"."""

    rate = SAMPLE_RATE
    live = True

    def __init__(self, endpoint: str, clock: Clock) -> None:
        """`endpoint` as `bus` describes it. Raises UsageError."""
        self._bus, self._clock = Bus(parse(endpoint), zmq.PULL, QUEUE), clock
        self._desk: Desk | None = None
        self._stream: tuple[str, int] | None = None          # sender's session and rate
        self._resampler: Resampler | None = None
        self._generation = self._start = 0
        self.counts: Counter[str] = Counter()

    @property
    def address(self) -> str:
        """Where senders connect."""
        return self._bus.address

    def attend(self, desk: Desk) -> None:
        """Send expressions and commands to `desk`."""
        self._desk = desk

    async def __aenter__(self) -> Self:
        """Raises DeviceError for an address in use."""
        self._socket = self._bus.open()
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._bus.close()

    async def __aiter__(self) -> AsyncIterator[AudioChunk]:
        while True:
            parts = await self._socket.recv_multipart()
            try:
                message = unpack(parts)
                self.counts[message.topic] += 1
                chunk = self._take(message)
            except LimnerError as error:
                self.counts["malformed"] += 1
                log.warning("message dropped: %s", error)
                continue
            if chunk is not None and len(chunk.samples):
                yield chunk

    def _take(self, message: Message) -> AudioChunk | None:
        if message.topic == "audio":
            return self._sound(message)
        if message.topic not in ("expression", "control"):
            raise WireError(f"topic {message.topic!r} is for listeners; expected audio, expression or control")
        if self._desk is not None and message.topic == "expression":
            self._desk.express(message.body)
        elif self._desk is not None:
            self._desk.perform(message.body)
        return None

    def _sound(self, message: Message) -> AudioChunk:
        chunk = message.body
        if message.generation > self._generation and self._desk is not None:
            self._desk.interrupt()                        # the sender has begun to say something else
        self._generation = message.generation
        if self._stream != (message.session, chunk.rate):
            self._stream, self._resampler = (message.session, chunk.rate), Resampler(chunk.rate)
        samples = self._resampler.push(chunk.samples)
        start, self._start = self._start, self._start + len(samples)
        return dataclasses.replace(chunk, samples=samples, rate=SAMPLE_RATE, start=start, pts=ticks_from_samples(start),
                                   captured_ns=self._captured(chunk.captured_ns), generation=0)

    def _captured(self, captured_ns: int) -> int:
        now = self._clock.now_ns()
        return captured_ns if now - OLDEST_NS <= captured_ns <= now else now


def create(argument: str, *, clock: Clock) -> ZeroMQSource:
    """Registry entry: `argument` is the endpoint to bind."""
    return ZeroMQSource(argument, clock)
