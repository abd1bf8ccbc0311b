"""A peer's voice packets, put in order; and what to play where one is lost. No I/O, no clock.

Voice has one packet per 20 ms, so a packet in order is handed over the moment it comes: nothing is held "to be safe".
Only when one is missing are the next few kept for as long as reordering on this path has been seen to need.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class VoicePacket:
    """One RTP packet in order; `lost` packets before it never came."""

    timestamp: int            # RTP time in the codec's clock, unwrapped
    payload: bytes
    lost: int


def _signed(value: int, bits: int) -> int:
    """The nearest signed reading of a difference of two counters that wrap at 2**bits (RFC 3550 appendix A.1)."""
    half = 1 << (bits - 1)
    return (value + half) % (2 * half) - half


class VoiceOrder:
    """Reorders by sequence number; gives up on a missing packet when `hold` later ones have come.

    `hold` starts at 1 and grows to 5 when packets turn up after they were given up, and shrinks again after
    500 packets (10 s) without that.
    """

    RESTART = 100             # a jump this far is a new stream, not a loss
    MAX_HOLD = 5
    CALM = 500

    def __init__(self) -> None:
        self.hold = 1
        self.lost = 0         # packets never handed over
        self.late = 0         # packets that came after they were given up
        self._next: int | None = None
        self._timestamp = 0
        self._waiting: dict[int, tuple[int, bytes]] = {}
        self._calm = 0

    def push(self, sequence: int, timestamp: int, payload: bytes) -> list[VoicePacket]:
        """Hand in one packet as it comes (16-bit sequence, 32-bit time); get those that may be played, in order."""
        if self._next is None:
            self._next, self._timestamp = sequence, timestamp
        ahead = _signed(sequence - self._next, 16)
        if abs(ahead) >= self.RESTART:
            self._waiting.clear()
            self._next, ahead = sequence, 0
            self._timestamp = timestamp
        if ahead < 0:
            self._came_late()
            return []
        self._settle()
        self._waiting[self._next + ahead] = (timestamp, payload)
        return self._release()

    def _release(self) -> list[VoicePacket]:
        ready, lost = [], 0
        while self._waiting:
            if self._next not in self._waiting:
                if len(self._waiting) <= self.hold:
                    break
                lost += min(self._waiting) - self._next
                self._next = min(self._waiting)
            timestamp, payload = self._waiting.pop(self._next)
            self._timestamp += _signed(timestamp - self._timestamp, 32)
            ready.append(VoicePacket(self._timestamp, payload, lost))
            self.lost, lost = self.lost + lost, 0
            self._next += 1
        return ready

    def _came_late(self) -> None:
        self.late += 1
        self._calm = 0
        self.hold = min(self.MAX_HOLD, self.hold + 1)

    def _settle(self) -> None:
        self._calm += 1
        if self._calm >= self.CALM:
            self._calm, self.hold = 0, max(1, self.hold - 1)


def conceal(heard: NDArray[np.float32], count: int, rate: int) -> NDArray[np.float32]:
    """`count` samples to follow `heard` where the network lost them.

    The last pitch period is repeated and faded out over 60 ms, as in ITU-T G.711 appendix I. `heard` is the newest
    sound, f32 [n], at least 40 ms of it for a full search; shorter than 20 ms gives silence.
    """
    shortest, longest, span = rate // 400, rate * 15 // 1000, rate // 200
    if len(heard) < longest + span:
        return np.zeros(count, np.float32)
    tail = heard[-span:]
    lags = np.arange(shortest, longest + 1)
    past = np.lib.stride_tricks.sliding_window_view(heard, span)[len(heard) - span - lags]
    score = past @ tail / (np.linalg.norm(past, axis=1) + 1e-3)
    period = heard[-int(lags[np.argmax(score)]):]
    fade = np.clip(1 - np.arange(count) / (0.06 * rate), 0, 1)
    return (np.resize(period, count) * fade).astype(np.float32)
