"""Fixed memory between the tasks: sound by absolute sample index, feature rows by time.

One writer and one reader each, and no lock: the session writes and reads sound on the loop thread, the painter writes
and reads rows on its lane.
"""

import numpy as np
from numpy.typing import NDArray

from .errors import ContractError
from .types import FeatureRows, FeatureWindow


class SampleRing:
    """The newest `capacity` samples of one stream, addressed by absolute index; `head` is the next to be written."""

    def __init__(self, capacity: int) -> None:
        self._data = np.zeros(capacity, np.float32)
        self.head = 0
        self._oldest = 0

    def write(self, samples: NDArray[np.float32]) -> None:
        """Append `samples` [n]; what no longer fits is the oldest."""
        capacity = len(self._data)
        self.head += len(samples)
        kept = samples[-capacity:]
        first = (self.head - len(kept)) % capacity
        split = min(len(kept), capacity - first)
        self._data[first : first + split] = kept[:split]
        self._data[: len(kept) - split] = kept[split:]
        self._oldest = max(self._oldest, self.head - capacity)

    def read(self, start: int, count: int) -> NDArray[np.float32]:
        """A copy of [start, start + count). Raises IndexError for samples not yet written or already overwritten."""
        if start < self._oldest or start + count > self.head:
            raise IndexError(f"samples {start}..{start + count} asked, {self._oldest}..{self.head} are held")
        capacity = len(self._data)
        first = start % capacity
        split = min(count, capacity - first)
        return np.concatenate([self._data[first : first + split], self._data[: count - split]])

    def rewind(self, head: int) -> None:
        """Forget everything from `head` on. Raises IndexError when that is not held."""
        if not self._oldest <= head <= self.head:
            raise IndexError(f"cannot rewind to {head}, {self._oldest}..{self.head} are held")
        self.head = head


class FeatureRing:
    """The newest `capacity` feature rows; row i since the last restart lies at `origin + i * step` ticks."""

    def __init__(self, capacity: int, width: int, step: int) -> None:
        self.width, self.step = width, step
        self._rows = np.zeros((capacity, width), np.float32)
        self._voiced = np.zeros(capacity, np.bool_)
        self._captured = np.zeros(capacity, np.int64)
        self._origin: int | None = None
        self._oldest = self._next = 0        # row indices since `origin`; the oldest may be negative after a restart

    @property
    def covered(self) -> int | None:
        """Ticks of the newest row; None before the first."""
        return None if self._next == self._oldest else self._origin + (self._next - 1) * self.step

    def push(self, new: FeatureRows) -> None:
        """Append rows. Raises ContractError when they have another width or do not follow the ones before."""
        if new.rows.ndim != 2 or new.rows.shape[1] != self.width:
            raise ContractError(f"extractor gave rows {new.rows.shape}, its width says [n, {self.width}]")
        if self._origin is None:
            self._origin = new.pts
        expected = self._origin + self._next * self.step
        if new.pts != expected:
            raise ContractError(f"extractor gave rows at {new.pts} ticks, {expected} follow the ones before")
        count, capacity = len(new.rows), len(self._rows)
        kept = min(count, capacity)
        at = np.arange(self._next + count - kept, self._next + count) % capacity
        self._rows[at], self._voiced[at] = new.rows[count - kept :], new.voiced[count - kept :]
        self._captured[at] = new.captured_ns
        self._next += count
        self._oldest = max(self._oldest, self._next - capacity)

    def window(self, pts: int, before: int, after: int) -> FeatureWindow:
        """Rows [before + 1 + after, D] around the last row at or before `pts`; the nearest where none is held.

        Raises IndexError while the ring is empty.
        """
        if self.covered is None:
            raise IndexError("no feature rows yet")
        centre, offset = divmod(pts - self._origin, self.step)
        asked = np.arange(centre - before, centre + after + 1)
        at = np.clip(asked, self._oldest, self._next - 1) % len(self._rows)
        return FeatureWindow(self._rows[at], pts, self.step, self._voiced[at], int(self._captured[at].max()), offset)

    def restart(self, pts: int, keep: int = 0) -> None:
        """Lay the next row at `pts`, which may be off the old grid or before its end.

        Up to `keep` older rows stay as the past, each moved by less than one step onto the new grid.
        """
        old, captured = None, 0
        if keep and self._next > self._oldest:
            old = self.window(pts - self.step, keep - 1, 0)
            captured = old.captured_ns
        self._origin, self._next = pts, 0
        self._oldest = 0 if old is None else -keep
        if old is not None:
            at = np.arange(-keep, 0) % len(self._rows)
            self._rows[at], self._voiced[at], self._captured[at] = old.rows, old.voiced, captured
