"""Bad networks, made: packets lost and delayed from a seed, on a manual clock or between two real peers."""

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from functools import partial

from aioice import Connection
from aiortc import RTCPeerConnection

Send = Callable[[bytes], Awaitable[None]]


@dataclass
class Weather:
    """What happens to a packet now. `loss` in [0, 1], `jitter` s of extra delay at most; both may change at any time."""

    loss: float = 0.0
    jitter: float = 0.0
    rng: random.Random = field(default_factory=lambda: random.Random(0))
    lost: int = 0
    sent: int = 0                                # the lost ones among them

    def fate(self) -> float | None:
        """Seconds of delay, or None when the packet never comes."""
        self.sent += 1
        if self.rng.random() < self.loss:
            self.lost += 1
            return None
        return self.rng.uniform(0, self.jitter)

    def over(self, connection: RTCPeerConnection) -> None:
        """Everything `connection` sends from now on passes through."""
        for ice in {transceiver.sender.transport.transport for transceiver in connection.getTransceivers()}:
            ice._send = partial(self._through, ice._send)

    @contextlib.contextmanager
    def over_all(self) -> Iterator[None]:
        """What connections made meanwhile in this process send passes through; the checks of ICE itself do not."""
        send = Connection.send

        async def through(ice: Connection, data: bytes) -> None:
            await self._through(partial(send, ice), data)

        Connection.send = through
        try:
            yield
        finally:
            Connection.send = send

    async def _through(self, send: Send, data: bytes) -> None:
        delay = self.fate()
        if delay:
            loop = asyncio.get_running_loop()
            loop.call_later(delay, lambda: loop.create_task(_deliver(send, data)))
        elif delay is not None:
            await send(data)


async def _deliver(send: Send, data: bytes) -> None:
    with contextlib.suppress(ConnectionError):   # closed while the packet was on its way
        await send(data)
