"""Bad networks, made: packets lost and delayed from a seed, on a manual clock or between two real peers."""

import asyncio
import random
from dataclasses import dataclass, field

from aiortc import RTCPeerConnection


@dataclass
class Weather:
    """What happens to a packet now. `loss` in [0, 1], `jitter` s of extra delay at most; both may change at any time."""

    loss: float = 0.0
    jitter: float = 0.0
    rng: random.Random = field(default_factory=lambda: random.Random(0))
    lost: int = 0

    def fate(self) -> float | None:
        """Seconds of delay, or None when the packet never comes."""
        if self.rng.random() < self.loss:
            self.lost += 1
            return None
        return self.rng.uniform(0, self.jitter)

    def over(self, connection: RTCPeerConnection) -> None:
        """Everything `connection` sends from now on passes through."""
        for ice in {transceiver.sender.transport.transport for transceiver in connection.getTransceivers()}:
            self._cover(ice)

    def _cover(self, ice) -> None:
        send, loop = ice._send, asyncio.get_running_loop()

        async def deliver(data: bytes) -> None:
            try:
                await send(data)
            except ConnectionError:               # closed while the packet was on its way
                return

        async def through(data: bytes) -> None:
            delay = self.fate()
            if delay:
                loop.call_later(delay, lambda: loop.create_task(deliver(data)))
            elif delay is not None:
                await send(data)

        ice._send = through
