"""A feature extractor made of analysis windows: everything about the stream, nothing about the spectrum."""

import numpy as np
from numpy.typing import NDArray

from limner.engine.clock import TICKS
from limner.engine.errors import UsageError
from limner.engine.types import AudioChunk, FeatureRows
from limner.models.windowing import PreEmphasis, Windower


class WindowedFeatures:
    """Rows f32 [n, width], one for each window; any chunking equals one pass.

    A kind of feature is a subclass with `rows_of`. Samples are multiplied by `scale` before pre-emphasis (0: none).

    Raises:
        UsageError: a chunk at another rate than `rate` Hz.
    """

    def __init__(self, windower: Windower, *, rate: int, width: int, emphasis: float = 0.0, scale: float = 1.0):
        self.rate, self.width, self.step = rate, width, windower.hop * TICKS // rate
        self.lookahead = -(-(windower.size - windower.lead) * TICKS // rate)
        self._windower, self._scale = windower, scale
        self._emphasis = PreEmphasis(emphasis) if emphasis else None
        self.reset()

    def rows_of(self, windows: NDArray[np.float64]) -> NDArray[np.float32]:
        """Rows of complete windows, [k, size] -> [k, width]."""
        raise TypeError(f"{type(self).__name__} does not say what its rows are")

    def reset(self) -> None:
        self._windower.reset()
        if self._emphasis:
            self._emphasis.reset()
        self._origin: int | None = None
        self._captured_ns = 0

    def push(self, chunk: AudioChunk) -> FeatureRows | None:
        if chunk.rate != self.rate:
            raise UsageError(f"sound at {chunk.rate} Hz where {self.rate} Hz is expected; resample it first")
        if self._origin is None:
            self._origin = chunk.pts
        self._captured_ns = chunk.captured_ns
        return self._timed(self.samples(chunk.samples))

    def finish(self) -> FeatureRows | None:
        """The rows that only the end of the stream completes."""
        return self._timed(self.flush())

    def samples(self, samples: NDArray) -> NDArray[np.float32]:
        """As `push` for bare samples [n] in [-1, 1]; the newly complete rows, [k, width]."""
        scaled = np.asarray(samples, np.float64) * self._scale
        return self.rows_of(self._windower.push(self._emphasis.push(scaled) if self._emphasis else scaled))

    def flush(self) -> NDArray[np.float32]:
        """As `finish` for bare samples."""
        return self.rows_of(self._windower.flush())

    def whole(self, samples: NDArray) -> NDArray[np.float32]:
        """A whole recording [n] at once, its end included: [rows, width]."""
        return np.concatenate([self.samples(samples), self.flush()])

    def _timed(self, rows: NDArray[np.float32]) -> FeatureRows | None:
        if not len(rows) or self._origin is None:
            return None
        pts = self._origin + (self._windower.count - len(rows)) * self.step
        return FeatureRows(rows, pts, np.ones(len(rows), bool), self._captured_ns)
