"""The allocator and the garbage collector of a process that runs for days."""

import ctypes
import gc
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


def settle() -> None:
    """Call when all is loaded: what is here stays for good, so the collector need not look at it again.

    Finding what has ended (a recording's 30 MB of encoder hang in a reference cycle) then takes 3 ms instead of the
    100 to 250 that would be heard; `streams.sinks.recorder` looks for it only when this was done.
    """
    gc.collect()
    gc.freeze()
