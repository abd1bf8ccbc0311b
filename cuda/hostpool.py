"""Page-locked host memory, kept and used again: a copy to or from the device runs beside the CPU only from such memory."""

import threading
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

SMALLEST = 4096                                  # bytes; smaller buffers are not told apart


def size_class(count: int) -> int:
    """`count` bytes rounded up to a power of two, at least `SMALLEST`: buffers of one class serve each other's needs."""
    return max(SMALLEST, 1 << max(0, count - 1).bit_length())


class HostPool:
    """Buffers of at most `limit` bytes in all, lent as NumPy arrays and taken back when the array is forgotten.

    `allocate(count)` makes a u8 array of `count` bytes. When everything is lent, or a buffer alone is over the limit,
    ordinary memory is lent instead and counted in `misses`: slower, never wrong, never waiting.
    """

    def __init__(self, limit: int, allocate: Callable[[int], NDArray[np.uint8]] | None = None) -> None:
        self.limit, self.held, self.misses = limit, 0, 0
        self._allocate = allocate or (lambda count: np.empty(count, np.uint8))
        self._free: dict[int, list[NDArray[np.uint8]]] = {}
        self._lock = threading.RLock()           # a forgotten array may come back while one is being lent

    def lend(self, shape: tuple[int, ...], dtype: Any) -> NDArray:
        """An array of undefined content. Views of it keep it lent."""
        count = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
        buffer = self._take(size_class(count))
        if buffer is None:
            return np.empty(shape, dtype)
        # Over a memoryview, the base of every view is this array and not the buffer below it: views keep it alive.
        owner = np.frombuffer(memoryview(buffer), dtype, count // np.dtype(dtype).itemsize)
        weakref.finalize(owner, self._give_back, buffer)
        return owner.reshape(shape)

    def _take(self, count: int) -> NDArray[np.uint8] | None:
        with self._lock:
            if kept := self._free.get(count):
                return kept.pop()
            if self.held + count > self.limit:
                self._drop(self.held + count - self.limit)
            if self.held + count > self.limit:
                self.misses += 1
                return None
            self.held += count
            return self._allocate(count)

    def _drop(self, count: int) -> None:
        """Let go of at least `count` bytes of unused buffers of other sizes, where there are so many."""
        for size, kept in self._free.items():
            while kept and count > 0:
                kept.pop()
                self.held -= size
                count -= size

    def _give_back(self, buffer: NDArray[np.uint8]) -> None:
        with self._lock:
            self._free.setdefault(len(buffer), []).append(buffer)
