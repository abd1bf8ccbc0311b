"""Is somebody speaking? Voice activity every 10 ms, streaming, without flutter.

WebRTC's Gaussian mixture detector hears voiced sound well but also takes keys and knocks for it, and a level threshold
alone cannot follow a room. Both must agree, against a floor that follows the room, and a run of hops decides, not one.
"""

import numpy as np
import webrtcvad
from numpy.typing import NDArray

HOP = 160                    # samples at 16 kHz
RATE = 16_000
ON_HOPS, ON_WINDOW = 4, 6    # speech begins when 4 of the last 6 hops agree
HANGOVER = 20                # hops: a pause under 200 ms is part of speech
ABOVE_FLOOR = 6.0            # dB over the room
QUIETEST = -62.0             # dBFS: nothing below this is speech
FLOOR_RISE = 0.03            # dB per hop, 3 dB/s: as fast as the room may get louder
FLOOR_FALL = 0.2             # share of the way down taken per hop


class VoiceActivity:
    """One listener. `push` gives one decision per complete hop of 160 samples; any chunking gives the same ones.

    Args:
        strictness: 0 to 3, WebRTC's aggressiveness against non-speech.
    """

    def __init__(self, strictness: int = 2):
        self._strictness = strictness
        self.reset()

    def reset(self) -> None:
        # The detector has no reset of its own: a new one is a fresh one.
        self._detector = webrtcvad.Vad(self._strictness)
        self._rest = np.zeros(0, np.float32)
        self._floor = -50.0
        self._recent = 0             # bits, newest lowest
        self._hold = 0

    def push(self, samples: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Samples [n] in [-1, 1] at 16 kHz -> bool [k], k complete hops."""
        x = np.concatenate([self._rest, samples])
        k = len(x) // HOP
        hops, self._rest = x[: k * HOP].reshape(k, HOP), x[k * HOP:].copy()
        levels = 10 * np.log10((hops.astype(np.float64) ** 2).mean(1) + 1e-12)
        pcm = (np.clip(hops, -1, 1) * 32767).astype("<i2")
        return np.array([self._decide(float(level), row.tobytes())
                         for level, row in zip(levels, pcm, strict=True)], bool)

    def _decide(self, level: float, pcm: bytes) -> bool:
        loud = level > max(QUIETEST, self._floor + ABOVE_FLOOR)
        heard = self._detector.is_speech(pcm, RATE) and loud
        if level < self._floor:
            self._floor += FLOOR_FALL * (level - self._floor)
        else:
            self._floor = min(level, self._floor + FLOOR_RISE)
        self._floor = max(self._floor, -90.0)
        self._recent = (self._recent << 1 | heard) & ((1 << ON_WINDOW) - 1)
        if self._recent.bit_count() >= ON_HOPS:
            self._hold = HANGOVER
        elif self._hold:
            self._hold -= 1
        return self._hold > 0
