"""Voice decisions brought from 10 ms hops to an extractor's own rows."""

import numpy as np
from numpy.typing import NDArray

from .voice import HOP, VoiceActivity


class VoicedRows:
    """Push the same samples as the extractor; `take` then says for its next rows, `step` samples apart, who is silent."""

    def __init__(self, step: int):
        self._step = step
        self._activity = VoiceActivity()
        self.reset()

    def reset(self) -> None:
        self._activity.reset()
        self._hops = np.zeros(0, bool)
        self._first = 0                      # hop number of _hops[0]
        self._row = 0

    def push(self, samples: NDArray[np.float32]) -> None:
        self._hops = np.concatenate([self._hops, self._activity.push(samples)])

    def take(self, count: int) -> NDArray[np.bool_]:
        """Decisions for the next `count` rows; a row after the last complete hop repeats it."""
        at = np.arange(self._row, self._row + count) * self._step // HOP
        self._row += count
        if not len(self._hops):
            return np.zeros(count, bool)
        voiced = self._hops[np.minimum(at - self._first, len(self._hops) - 1)]
        drop = min(self._row * self._step // HOP - self._first, len(self._hops) - 1)
        self._hops, self._first = self._hops[max(drop, 0):], self._first + max(drop, 0)
        return voiced
