"""`python -m limner.clients.soak`: the real face in real time for minutes, and whether memory or any queue grows.

Sessions talk, are interrupted, given speech, recorded and ended and begun anew all along. Exit status 1 when memory
grows by more than `LIMIT` or a queue is longer than its bound.
"""

import argparse
import asyncio
import gc
import json
import os
import sys
import tempfile
from pathlib import Path

import numpy as np

from limner.engine.clock import TICKS, MonotonicClock
from limner.engine.testing import speech_like

from .bench_engine import provenance
from .crowd import Guest, guests
from .memory import keep_flat, settle

LIMIT = 1.0                    # MB per minute; the allocator's own breathing over ten minutes stays well below
STEP = 1.0                     # s between two looks
SETTLE = 0.25                  # of the time, at its beginning: caches fill, threads start, buffers reach their size
TURNS = 5                      # comings and goings before anything is measured: each early one still widens the heap


def resident() -> float:
    """MB of memory this process holds (Linux)."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def slope(minutes: list[float], megabytes: list[float]) -> float:
    """MB per minute, least squares over all but the first quarter."""
    first = int(len(minutes) * SETTLE)
    return float(np.polyfit(minutes[first:], megabytes[first:], 1)[0])


def queues(guest: Guest) -> dict[str, int]:
    """How much waits in each queue of a session that could grow."""
    session = guest.session
    boxes = session._outboxes._boxes
    return {"sound": max(len(box.sound) for box in boxes), "pictures": len(session._pictures),
            "packets": len(guest.viewer.video._packets) + len(guest.viewer.audio._packets),
            "readers": len(session._readers), "tasks": len(asyncio.all_tasks())}


BOUNDS = {"sound": 50, "pictures": 16, "packets": 33, "readers": 4, "tasks": 100}


async def stir(crowd: list[Guest], step: int, folder: Path) -> None:
    """What happens to sessions: every few seconds something else."""
    guest = crowd[step % len(crowd)]
    if step % 7 == 3:
        guest.session.say(speech_like(2.0, seed=step))
    if step % 11 == 8:
        guest.session.interrupt()
    if step % 20 == 5:
        path = folder / f"{step}.mp4"
        await guest.record(path, STEP)
        path.unlink(missing_ok=True)


async def soak(minutes: float, count: int) -> dict:
    """Figures of `count` sessions over `minutes`; half way everybody leaves and comes back."""
    seen, memory, longest = [], [], dict.fromkeys(BOUNDS, 0)
    counters: dict[str, int] = {}
    step = 0
    for _ in range(TURNS):
        async with guests(count):
            await asyncio.sleep(STEP)
    settle()
    clock = MonotonicClock()
    with tempfile.TemporaryDirectory() as folder:
        for part in (1, 2):
            async with guests(count) as crowd:
                while (now := clock.now() / TICKS / 60) < minutes * part / 2:
                    await asyncio.sleep(STEP)
                    await stir(crowd, step, Path(folder))
                    seen.append(now)
                    memory.append(resident())
                    for guest in crowd:
                        longest = {name: max(longest[name], value) for name, value in queues(guest).items()}
                    step += 1
                for guest in crowd:
                    for name, value in guest.session.metrics.counters.items():
                        counters[name] = counters.get(name, 0) + value
                    total = guest.session.metrics.hops["total"]
            crowd.clear()                                # the next ones sit down where these were, not beside them
            del guest
            gc.collect()
    return {"minutes": minutes, "sessions": count, "rss_mb_first": memory[0], "rss_mb_last": memory[-1],
            "rss_mb_max": max(memory), "rss_mb_per_minute": slope(seen, memory), "longest_queues": longest,
            "total_ms_p50": total.quantile(0.5), "total_ms_p95": total.quantile(0.95), "counters": counters, "rss_mb_every_10_s": [round(mb, 1) for mb in memory[::10]]}


def main() -> int:
    p = argparse.ArgumentParser(prog="python -m limner.clients.soak", description=__doc__.splitlines()[0])
    p.add_argument("--minutes", type=float, default=10.0)
    p.add_argument("--sessions", type=int, default=1)
    p.add_argument("--json", type=Path, metavar="FILE")
    args = p.parse_args()
    command = f"python -m limner.clients.soak --minutes {args.minutes:g} --sessions {args.sessions}"
    keep_flat()
    figures = asyncio.run(soak(args.minutes, args.sessions))
    text = json.dumps({"about": provenance(command), **figures}, indent=1)
    if args.json:
        args.json.write_text(text + "\n", "utf-8")
    print(text)
    grown = [name for name, bound in BOUNDS.items() if figures["longest_queues"][name] > bound]
    if figures["rss_mb_per_minute"] > LIMIT or grown:
        print(f"it grows: {figures['rss_mb_per_minute']:.2f} MB per minute, queues over their bound: {', '.join(grown) or 'none'}",
              file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
