"""Pictures through shared memory, for readers on the same machine: a ring of slots that one program writes.

A slot is a little-endian u64, then the bytes. The number is 2n + 1 while picture n is being written and 2n + 2 when it
is whole, so a reader that finds another number than the one it was told, before or after it copied, has been overtaken
and knows it (a sequence lock). The writer never waits. Only the user who runs the writer may open the memory.
"""

import contextlib
from dataclasses import dataclass
from multiprocessing.shared_memory import SharedMemory

import numpy as np
from numpy.typing import NDArray

from limner.engine.errors import DeviceError

NUMBER = 8                     # bytes in front of each slot
SLOTS = 8                      # pictures a reader may be behind: a third of a second at 25 per second


@dataclass(frozen=True, slots=True)
class Slot:
    """Where a picture lies: the memory's `name`, the `offset` of its first byte, its `size`, its slot's number."""

    name: str
    offset: int
    size: int
    sequence: int


class SlotWriter:
    """The writing end. `size` bytes at most in one picture. Raises DeviceError when there is not so much memory."""

    def __init__(self, size: int, slots: int = SLOTS) -> None:
        self._size, self._slots, self._count = size, slots, 0
        self._stride = -(-(NUMBER + size) // 64) * 64
        try:
            self._memory = SharedMemory(create=True, size=self._stride * slots)
        except OSError as error:
            raise DeviceError(f"shared memory of {self._stride * slots >> 20} MB cannot be had ({error.strerror}); leave out shm=1") from error
        self._bytes = np.ndarray((slots, self._stride), np.uint8, self._memory.buf)

    def write(self, data: NDArray[np.uint8]) -> Slot:
        """Copy `data` (contiguous u8, any shape, at most `size` bytes) into the next slot, over what was there."""
        at = self._count % self._slots
        slot = self._bytes[at]
        number = slot[:NUMBER].view("<u8")
        number[0] = 2 * self._count + 1
        slot[NUMBER : NUMBER + data.nbytes] = data.reshape(-1)
        self._count += 1
        number[0] = 2 * self._count
        return Slot(self._memory.name, at * self._stride + NUMBER, data.nbytes, 2 * self._count)

    def close(self) -> None:
        """Free the memory; readers that still have it open keep what they see."""
        del self._bytes
        self._memory.close()
        with contextlib.suppress(FileNotFoundError):
            self._memory.unlink()
