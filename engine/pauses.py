"""Where time may be lengthened or shortened unheard, and by how much: pauses and slack of a live voice."""

from collections import deque

import numpy as np
from numpy.typing import NDArray

from .clock import SAMPLE_RATE


class QuietGate:
    """Whether live sound is between words: near its own noise floor for the last 60 ms."""

    ALWAYS, NEVER = 0.003, 0.03              # rms under which sound is quiet, and over which it is not

    def __init__(self) -> None:
        self._recent: deque[float] = deque(maxlen=100)
        self._run = 0                        # samples since the last loud block

    def hear(self, samples: NDArray[np.float32]) -> None:
        rms = float(np.sqrt(np.mean(np.square(samples)))) if len(samples) else 0.0
        self._recent.append(rms)
        floor = min(self._recent)
        quiet = rms < self.ALWAYS or (rms < self.NEVER and rms < 1.6 * floor)
        self._run = self._run + len(samples) if quiet else 0

    @property
    def quiet(self) -> bool:
        return self._run >= SAMPLE_RATE * 60 // 1000


class Slack:
    """The least by which live sound ran ahead of the time it was captured at, over the last 50 to 100 blocks."""

    SPAN = 50

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self._count = 0
        self._current: int | None = None
        self._previous: int | None = None

    def add(self, margin: int) -> None:
        if self._count and self._count % self.SPAN == 0:
            self._previous, self._current = self._current, None
        self._count += 1
        self._current = margin if self._current is None else min(margin, self._current)

    def shift(self, by: int) -> None:
        self._current = None if self._current is None else self._current + by
        self._previous = None if self._previous is None else self._previous + by

    @property
    def newest(self) -> int | None:
        return self._current

    @property
    def least(self) -> int | None:
        """Samples; None until a whole span was seen."""
        return None if self._previous is None else min(self._previous, self._current)
