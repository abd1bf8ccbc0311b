"""A stream of samples cut into overlapping analysis windows, in any chunking."""

import numpy as np
from numpy.typing import NDArray


class Windower:
    """Window i covers the samples [i*hop - lead, i*hop - lead + size) of the stream.

    What lies before the first sample is zeros, or with `reflect` the mirrored beginning (the first window then waits for
    the `lead` samples it mirrors). `flush` gives the windows that only the end of the stream completes.
    """

    def __init__(self, size: int, hop: int, lead: int = 0, *, reflect: bool = False):
        self.size, self.hop, self.lead, self.reflect = size, hop, lead, reflect
        self.reset()

    def reset(self) -> None:
        self._tail: NDArray[np.float64] = np.zeros(0 if self.reflect else self.lead)
        self._mirrored = not self.reflect
        self.count = 0                                        # windows given since the start

    def push(self, samples: NDArray) -> NDArray[np.float64]:
        """Take [n] samples; return the newly complete windows, f64 [k, size], k >= 0."""
        self._tail = np.concatenate([self._tail, samples])
        if not self._mirrored:
            if len(self._tail) <= self.lead:
                return np.empty((0, self.size))
            self._tail = np.concatenate([self._tail[self.lead:0:-1], self._tail])
            self._mirrored = True
        return self._cut()

    def flush(self) -> NDArray[np.float64]:
        """The last windows: the end is mirrored as the beginning was (`reflect`), else padded with zeros."""
        if self.reflect:
            if not self._mirrored or len(self._tail) < self.lead + 2:
                return np.empty((0, self.size))
            self._tail = np.concatenate([self._tail, self._tail[-2:-self.lead - 2:-1]])
            return self._cut()
        overlap = self.size - self.hop if self.count else self.lead
        if len(self._tail) <= overlap:
            return np.empty((0, self.size))
        windows = 1 + max(0, -(-(len(self._tail) - self.size) // self.hop))
        self._tail = np.concatenate([self._tail, np.zeros(self.size + (windows - 1) * self.hop - len(self._tail))])
        return self._cut()

    def _cut(self) -> NDArray[np.float64]:
        n = max(0, (len(self._tail) - self.size) // self.hop + 1)
        if not n:
            return np.empty((0, self.size))
        if n == 1:                                            # the live case; the general view costs more than the FFT
            windows = self._tail[None, : self.size]
        else:
            windows = np.lib.stride_tricks.sliding_window_view(self._tail, self.size)[: n * self.hop : self.hop]
        self._tail = self._tail[n * self.hop:].copy()
        self.count += n
        return windows


class PreEmphasis:
    """y[t] = x[t] - k x[t-1], with x[-1] = 0, across chunks."""

    def __init__(self, coefficient: float):
        self.coefficient = coefficient
        self.reset()

    def reset(self) -> None:
        self._last = 0.0

    def push(self, samples: NDArray) -> NDArray[np.float64]:
        x = np.asarray(samples, np.float64)
        if not len(x):
            return x
        before = np.concatenate([[self._last], x[:-1]])
        self._last = float(x[-1])
        return x - self.coefficient * before
