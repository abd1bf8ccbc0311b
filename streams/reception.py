"""Takes commands on a ZeroMQ ROUTER socket and answers each (message layout in `wire`).

A REQ or DEALER socket connects, sends a `control` message and receives a `reply`: named "ok" with what there is to
answer, or "error" with {error: one line}. What is malformed is answered so too, counted, and logged in one line.
"""

import asyncio
import logging
from collections import Counter

import zmq

from limner.engine.errors import LimnerError, UsageError

from .bus import Bus, Endpoint
from .desk import Desk
from .wire import Event, WireError, pack, unpack

QUEUE = 32
log = logging.getLogger("limner.zeromq")


class Reception:
    """`desk` does what is asked; until it is there, everything is refused. `counts`: by command, and "malformed"."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._bus = Bus(endpoint, zmq.ROUTER, QUEUE)
        self.desk: Desk | None = None
        self.counts: Counter[str] = Counter()

    @property
    def address(self) -> str:
        """Where those who ask connect."""
        return self._bus.address

    def open(self) -> None:
        """Begin to answer. Raises DeviceError for an address in use."""
        self._socket = self._bus.open()
        self._task = asyncio.create_task(self._serve(), name="reception")

    async def close(self) -> None:
        """Answer no more and free the address."""
        self._task.cancel()
        await asyncio.wait({self._task})
        self._bus.close()

    async def _serve(self) -> None:
        while True:
            parts = await self._socket.recv_multipart()
            cut = envelope(parts)
            await self._socket.send_multipart([*parts[:cut], *pack("reply", self._answer(parts[cut:]))])

    def _answer(self, parts: list[bytes]) -> Event:
        try:
            message = unpack(parts)
            if message.topic != "control":
                raise WireError(f"topic {message.topic!r} is not asked here; expected control")
        except WireError as error:
            self.counts["malformed"] += 1
            log.warning("command refused: %s", error)
            return Event("error", {"error": str(error)})
        self.counts[message.body.name] += 1
        try:
            if self.desk is None:
                raise UsageError("there is no session yet; ask again when it has begun")
            return Event("ok", self.desk.perform(message.body))
        except LimnerError as error:
            return Event("error", {"error": str(error)})


def envelope(parts: list[bytes]) -> int:
    """How many parts say who asks: an identity, and from REQ, as it is set, also a request number and an empty part."""
    if parts[1:2] == [b""]:
        return 2
    return 3 if parts[2:3] == [b""] and len(parts[1]) == 4 else 1
