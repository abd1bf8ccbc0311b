import json
import subprocess
import sys

import pytest

from limner.clients import soak


def test_the_slope_is_of_what_comes_after_the_settling():
    minutes = [k / 10 for k in range(100)]
    assert soak.slope(minutes, [100 + 3 * m for m in minutes]) == pytest.approx(3)
    assert soak.slope(minutes, [50 if m < 2 else 300 for m in minutes]) == pytest.approx(0)


GROW = """
from limner.clients import soak
before = soak.resident()
block = bytearray(64 * 2**20)
block[::4096] = b"x" * len(block[::4096])
print(soak.resident() - before)
"""


def test_memory_is_seen():
    """In a process of its own: one that has freed much would grow into what it freed."""
    seen = subprocess.run([sys.executable, "-c", GROW], check=True, capture_output=True, text=True, timeout=60)
    assert float(seen.stdout) == pytest.approx(64, abs=16)


@pytest.mark.slow
def test_a_short_soak_runs_everything(tmp_path):
    """Too short to say anything of memory: that it talks, records and keeps its queues is all that is looked at."""
    command = [sys.executable, "-m", "limner.clients.soak", "--minutes", "0.25", "--json", str(tmp_path / "s.json")]
    subprocess.run(command, check=False, capture_output=True, timeout=180)
    figures = json.loads((tmp_path / "s.json").read_text())
    assert all(figures["longest_queues"][name] <= bound for name, bound in soak.BOUNDS.items())
    assert figures["counters"]["pictures_key"] > 100 and figures["counters"]["interrupts"] >= 1
