"""Plain-data counters and histograms. Nothing here knows where the numbers go."""

from collections import Counter, deque

import numpy as np

from .clock import TICKS, milliseconds

# Bucket edges grow by 2 ** (1/32), two per cent: 10 us to 84 s in 736 integers, whatever the number of observations.
_EDGES_NS = (10_000 * 2.0 ** (np.arange(736) / 32)).astype(np.int64)


HOPS = ("hear", "wait", "features", "draw", "stages", "colour", "outbox", "total", "late")


class Histogram:
    """Durations in fixed memory; quantiles are right to half a bucket (one per cent)."""

    def __init__(self) -> None:
        self._buckets = np.zeros(len(_EDGES_NS) + 1, np.int64)
        self.count = 0
        self.sum_ns = 0
        self.max_ns = 0

    def add(self, ns: int) -> None:
        """One duration in nanoseconds; negative ones count as zero."""
        ns = max(0, ns)
        self._buckets[int(np.searchsorted(_EDGES_NS, ns))] += 1
        self.count += 1
        self.sum_ns += ns
        self.max_ns = max(self.max_ns, ns)

    def quantile(self, q: float) -> float:
        """Milliseconds below which the share `q` in [0, 1] of all observations lies; 0 when there are none."""
        if not self.count:
            return 0.0
        below = np.cumsum(self._buckets)
        at = int(np.searchsorted(below, q * below[-1]))      # not `count`, which another thread may have raised since
        upper = _EDGES_NS[min(at, len(_EDGES_NS) - 1)]
        lower = _EDGES_NS[at - 1] if at else 0
        return min(float(lower + upper) / 2, float(self.max_ns)) / 1e6

    def at_most(self, ns: int) -> int:
        """How many were `ns` or less, right to a bucket (two per cent)."""
        return int(self._buckets[: int(np.searchsorted(_EDGES_NS, ns, side="right"))].sum())

    def snapshot(self) -> dict[str, float]:
        mean = self.sum_ns / self.count / 1e6 if self.count else 0.0
        return {
            "count": self.count, "mean": mean, "p50": self.quantile(0.5), "p95": self.quantile(0.95),
            "max": self.max_ns / 1e6,
        }  # fmt: skip


class Metrics:
    """Counters, gauges and per-hop histograms of one session.

    Hops, in the order of the hot path: `hear` (captured to engine), `wait` (engine to start of drawing), `features`,
    `draw`, `stages`, `colour`, `outbox` (handed over to taken by the sink); then `total` (live sound captured to its
    picture handed over) and `late` (due to handed over, of pictures).
    """

    def __init__(self) -> None:
        self.counters: Counter[str] = Counter()
        self.gauges: dict[str, float] = {}
        # All made here: the lane adds times while the loop takes snapshots.
        self.hops = {hop: Histogram() for hop in HOPS}

    def count(self, name: str, by: int = 1) -> None:
        self.counters[name] += by

    def gauge(self, name: str, value: float) -> None:
        self.gauges[name] = value

    def time(self, hop: str, ns: int) -> None:
        self.hops[hop].add(ns)

    def snapshot(self) -> dict[str, float]:
        """Flat names to numbers: counters as they are, gauges as they are, `<hop>_ms_<count|mean|p50|p95|max>`."""
        flat: dict[str, float] = {**self.counters, **self.gauges}
        for hop, histogram in self.hops.items():
            flat |= {f"{hop}_ms_{name}": value for name, value in histogram.snapshot().items()}
        return flat


class Pace:
    """Two gauges of what is handed over: `fps`, new pictures in the last second of media time, repeats not counted, and
    `skew_ms`, by how much the newest picture was handed over later (negative: earlier) than the sound that belongs to it.
    """

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._new: deque[int] = deque()
        self._sound_late = 0

    def shown(self, pts: int, late: int, *, new: bool) -> None:
        """A picture of media time `pts`, `late` ticks after it was due."""
        if new:
            self._new.append(pts)
        while self._new and self._new[0] <= pts - TICKS:
            self._new.popleft()
        self._metrics.gauge("fps", len(self._new))
        self._metrics.gauge("skew_ms", milliseconds(late - self._sound_late))

    def played(self, late: int) -> None:
        """A chunk of sound, `late` ticks after it was due."""
        self._sound_late = late
