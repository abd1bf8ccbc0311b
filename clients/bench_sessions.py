"""How many sessions this machine holds: the embedded face at 512x512, 25 fps, each with its own voice and encoder.

A number of sessions is held when every picture of every one is drawn (nothing repeated beyond one in a hundred, no
governor step taken) and the delay of 95 of 100 is within the cap.
"""

import asyncio
import json
import time
from pathlib import Path

from limner.engine.config import Settings

from .bench_engine import provenance
from .crowd import Guest, guests

MOST = 12
REPEATED = 0.01


class Stretch:
    """What one session did between two looks at its counters."""

    def __init__(self, guest: Guest) -> None:
        self._guest = guest
        self._before = dict(guest.session.metrics.counters)

    def figures(self) -> dict[str, float]:
        metrics = self._guest.session.metrics
        new = {name: value - self._before.get(name, 0) for name, value in metrics.counters.items()}
        drawn, repeated = new.get("pictures_key", 0), new.get("pictures_repeat", 0) + new.get("pictures_between", 0)
        return {"drawn": drawn, "repeated": repeated, "steps": new.get("governor_up", 0),
                "draw_ms_p50": metrics.hops["draw"].quantile(0.5), "delay_ms_p95": metrics.hops["total"].quantile(0.95)}


def held(sessions: list[dict[str, float]], cap_ms: float) -> bool:
    """Whether all of them were drawn in time."""
    return all(each["drawn"] > 0 and each["repeated"] <= REPEATED * (each["drawn"] + each["repeated"]) and not each["steps"]
               and each["delay_ms_p95"] <= cap_ms for each in sessions)


async def measure(count: int, seconds: float, *, size: int = 512, fps: int = 25) -> dict:
    """`count` sessions for some seconds after they have settled; cores busy as the process's own CPU time says."""
    async with guests(count, size=size, fps=fps) as crowd:
        await asyncio.sleep(3)
        stretches, cpu, began = [Stretch(guest) for guest in crowd], time.process_time(), time.perf_counter()
        await asyncio.sleep(seconds)
        busy = (time.process_time() - cpu) / (time.perf_counter() - began)
        sessions = [stretch.figures() for stretch in stretches]
    drawn, repeated = (sum(each[name] for each in sessions) for name in ("drawn", "repeated"))
    return {"sessions": count, "held": held(sessions, Settings().cap_ms), "cores_busy": busy, "drawn": drawn, "repeated": repeated,
            "fps_drawn": drawn / seconds / count, "draw_ms_p50": max(each["draw_ms_p50"] for each in sessions),
            "delay_ms_p95": max(each["delay_ms_p95"] for each in sessions), "governor_steps": sum(each["steps"] for each in sessions)}


async def climb(seconds: float, most: int) -> list[dict]:
    """One session more each time, until a number is not held."""
    found = []
    for count in range(1, most + 1):
        found.append(await measure(count, seconds))
        if not found[-1]["held"]:
            break
    return found


def run(json_path: Path | None, quick: bool = False) -> dict:
    """Measure, write the figures to `json_path`, and return them."""
    about = provenance("limner bench sessions" + (" --quick" if quick else ""))
    steps = asyncio.run(climb(8 if quick else 30, MOST))
    result = {"about": about, "held": max((each["sessions"] for each in steps if each["held"]), default=0), "steps": steps}
    text = json.dumps(result, indent=1)
    if json_path:
        Path(json_path).write_text(text + "\n", "utf-8")
    print(text)
    return result
