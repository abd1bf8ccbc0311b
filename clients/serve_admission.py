"""Whether one more session could be drawn in time: what the running ones are measured to cost, against the cores there are."""

import math
import os
from collections.abc import Iterable
from dataclasses import dataclass

from limner.engine.errors import Busy

SHARE = 0.9                   # of all cores that sessions may fill; the rest is the network's and the system's
SMOOTHING_NS = 2_000_000_000


def cores_here() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Meter:
    """How many cores a task keeps busy, from the growing sum of its busy time; follows changes within some 2 s."""

    def __init__(self) -> None:
        self.cores: float | None = None          # None until it has been read twice
        self._before: tuple[int, int] | None = None

    def read(self, busy_ns: int, now_ns: int) -> None:
        before, self._before = self._before, (busy_ns, now_ns)
        if before is None or now_ns <= before[1]:
            return
        share = (busy_ns - before[0]) / (now_ns - before[1])
        follow = 1 - math.exp((before[1] - now_ns) / SMOOTHING_NS)
        self.cores = share if self.cores is None else self.cores + follow * (share - self.cores)

    def pause(self) -> None:
        """What is done from now to the next reading says nothing about the cost."""
        self._before = None


@dataclass(frozen=True, slots=True)
class Load:
    """One session: `pixels` per second it shows when watched, `cores` it was measured to take then (None: not yet)."""

    pixels: int
    cores: float | None = None


class Admission:
    """Refuses a session that would make all late. Pure; what it remembers is the newest measured cost of a pixel.

    The dearest running session tells what a pixel costs. Sessions that nobody watches cost nothing now and are
    counted in full, for somebody may look at any time.
    """

    def __init__(self, cores: float) -> None:
        self.cores = cores
        self._cost: float | None = None          # cores per pixel and second

    def check(self, running: Iterable[Load], wanted: int) -> None:
        """Raises Busy when `wanted` more pixels per second would be too many. The first session is always let in."""
        running = list(running)
        measured = [load.cores / load.pixels for load in running if load.cores is not None]
        self._cost = max(measured) if measured else self._cost
        if not running or self._cost is None:
            return
        needed = self._cost * (sum(load.pixels for load in running) + wanted)
        if needed > SHARE * self.cores:
            raise Busy(f"this machine cannot draw another session in time: all would take {needed:.1f} of its {self.cores:g} "
                       "cores; try again when somebody has left, or ask for a smaller or slower picture")
