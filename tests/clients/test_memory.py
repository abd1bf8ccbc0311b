import gc
import platform
import subprocess
import sys

from limner.clients.memory import ARENAS, keep_flat, settle

# glibc prints one "Arena N:" block per heap on stderr; eight threads that allocate would have one each.
COUNT = """
import ctypes, sys, threading
from limner.clients.memory import keep_flat
if sys.argv[1] == "flat":
    keep_flat()
gate = threading.Barrier(8)
def work():
    gate.wait()
    held = [bytearray(600 + k) for k in range(500)]
    gate.wait()
threads = [threading.Thread(target=work) for _ in range(8)]
[t.start() for t in threads], [t.join() for t in threads]
ctypes.CDLL(None).malloc_stats()
"""


def arenas(how: str) -> int:
    done = subprocess.run([sys.executable, "-c", COUNT, how], capture_output=True, text=True, check=True)
    return done.stderr.count("Arena ")


def test_threads_share_few_heaps():
    if platform.libc_ver()[0] != "glibc":
        assert not keep_flat()
        return
    assert arenas("flat") <= ARENAS + 1 < arenas("as usual")


def test_settled_objects_are_not_looked_at_again():
    before = gc.get_freeze_count()
    try:
        settle()
        assert gc.get_freeze_count() > before + 1000
    finally:
        gc.unfreeze()
