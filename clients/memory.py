"""The allocator of a process that runs for days."""

import ctypes
import platform

M_ARENA_MAX = -8          # glibc's malloc.h
ARENAS = 2


def keep_flat() -> bool:
    """Let glibc keep few heaps, before threads make theirs; False where there is no glibc.

    Pictures are made on one thread and freed on another. With a heap per thread (eight per core) each start of a
    recording or a session leaves holes in another one, which looks like a leak of megabytes a minute.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    return bool(ctypes.CDLL(None).mallopt(M_ARENA_MAX, ARENAS))
