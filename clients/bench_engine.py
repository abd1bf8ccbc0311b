"""`limner bench engine`: the engine alone, with a stub model, at wall-clock pace.

Four scenarios, each at 25 and 50 pictures per second; the worse of the two is what the scenario reports.
`mic`: 20 ms blocks; from a sample's capture to the picture (and the sound) that shows it being handed over.
`file`: speech pushed at once into an idle session; to the first voiced picture and sound handed over.
`interrupt`: to the last voiced picture or sound handed over. `overload`: `mic` with a model of 22 draws a second.
"""

import asyncio
import json
import os
import platform
import random
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine
from pathlib import Path

import numpy as np

from limner.engine.clock import MonotonicClock
from limner.engine.config import Settings
from limner.engine.session import Session

from .bench_stub import StampSink, StampSource, StubAnimator, StubExtractor, index_of, stamp, to_picture

DRAW_MS = 5.0                        # about what the embedded face takes
SLOW_MS = 1000 / 22
RATES = (25, 50)


class Stand:
    """One session on the bench."""

    def __init__(self, fps: int, cost_ms: float, source: StampSource | None = None) -> None:
        self.sink, self.animator, self.source = StampSink(), StubAnimator(cost_ms), source
        self.session = Session(
            extractor=StubExtractor(), animator=self.animator, sinks=[self.sink], source=source,
            clock=MonotonicClock(), settings=Settings(fps=fps), colour=to_picture,
        )  # fmt: skip

    def voiced_pictures(self) -> list[float]:
        """When pictures of voiced instants came."""
        shown = self.animator.shown
        return [at for at, picture in self.sink.pictures if picture.pts in shown and shown[picture.pts][1]]

    def voiced_sound(self) -> list[float]:
        """When chunks with anything but silence came."""
        return [at for at, chunk in self.sink.sound if chunk.samples.any()]

    def delays(self) -> tuple[list[float], list[float]]:
        """Milliseconds from capture to handing over, of pictures and of sound."""
        shown = self.animator.shown
        pictures = [(at, shown[picture.pts][0]) for at, picture in self.sink.pictures if picture.pts in shown]
        return self._delays(pictures), self._delays([(at, float(chunk.samples[0])) for at, chunk in self.sink.sound])

    def _delays(self, items: list[tuple[float, float]]) -> list[float]:
        known = [(at, index_of(value)) for at, value in items]
        return [(at - self.source.captured(index)) * 1000 for at, index in known if index >= 0]


def run(json_path: str | Path | None = None, quick: bool = False) -> dict:
    """Measure all scenarios, print one line for each, write them to `json_path` and return them."""
    scenarios = {}
    for name, measure in SCENARIOS.items():
        rates = {f"fps{fps}": asyncio.run(measure(fps, quick)) for fps in RATES}
        scenarios[name] = _worse(list(rates.values())) | rates
        print(f"{name:10}", _line(scenarios[name]), file=sys.stderr)
    report = {"kind": "engine", **provenance("limner bench engine"), "draw_ms": DRAW_MS, "overload_draw_ms": SLOW_MS, "scenarios": scenarios}
    if json_path is not None:
        Path(json_path).write_text(json.dumps(report, indent=1) + "\n")
    return report


async def mic(fps: int, quick: bool) -> dict:
    stand = Stand(fps, DRAW_MS, StampSource(4 if quick else 20))
    await stand.session.run()
    pictures, sound = stand.delays()
    skew = abs(np.median(pictures) - np.median(sound))
    return {"latency_ms": spread(pictures), "sound_latency_ms": spread(sound), "skew_ms": round(float(skew), 2),
            "declared_ms": stand.session.latency() / 90}  # fmt: skip


async def file(fps: int, quick: bool) -> dict:
    pictures, sounds = [], []
    for turn in range(4 if quick else 25):
        stand = Stand(fps, DRAW_MS)
        running = asyncio.create_task(stand.session.run())
        pushed = await _say_soon(stand, turn, 16_000)
        await asyncio.sleep(0.3)
        pictures.append((_after(stand.voiced_pictures(), pushed) - pushed) * 1000)
        sounds.append((_after(stand.voiced_sound(), pushed) - pushed) * 1000)
        await stand.session.close()
        await running
    return {"first_voiced_ms": spread(pictures)["p95"], "first_picture_ms": spread(pictures),
            "first_sound_ms": spread(sounds)}  # fmt: skip


async def interrupt(fps: int, quick: bool) -> dict:
    tails, picture_tails, sound_tails = [], [], []
    for turn in range(4 if quick else 25):
        stand = Stand(fps, DRAW_MS)
        running = asyncio.create_task(stand.session.run())
        await _say_soon(stand, turn, 160_000)
        await asyncio.sleep(0.4 + random.Random(turn).random() * 0.1)
        called = time.perf_counter()
        stand.session.interrupt()
        await asyncio.sleep(0.3)
        picture_tails.append(max(0.0, stand.voiced_pictures()[-1] - called) * 1000)
        sound_tails.append(max(0.0, _last_sample(stand) - called) * 1000)
        tails.append(max(picture_tails[-1], sound_tails[-1]))
        await stand.session.close()
        await running
    return {"tail_ms": spread(tails), "picture_tail_ms": spread(picture_tails), "sound_tail_ms": spread(sound_tails)}


async def overload(fps: int, quick: bool) -> dict:
    stand = Stand(fps, SLOW_MS, StampSource(5 if quick else 30))
    await stand.session.run()
    pictures, sound = stand.delays()
    gaps = np.diff([chunk.start for _, chunk in stand.sink.sound])
    snapshot = stand.session.metrics.snapshot()
    return {
        "delay_ms": spread(pictures), "sound_delay_ms": spread(sound),
        "sound_gaps": int((gaps != gaps[0]).sum()), "governor_step": snapshot.get("governor_step", 0),
        "pictures": {drawn: snapshot.get(f"pictures_{drawn}", 0) for drawn in ("key", "between", "repeat")},
    }  # fmt: skip


SCENARIOS: dict[str, Callable[[int, bool], Coroutine[None, None, dict]]] = {
    "mic": mic, "file": file, "interrupt": interrupt, "overload": overload,
}  # fmt: skip


async def _say_soon(stand: Stand, turn: int, samples: int) -> float:
    """Let the session idle for a while that ends at another phase each turn; then push speech, all at once."""
    while len(stand.sink.pictures) < 8:
        await asyncio.sleep(0.01)
    await asyncio.sleep(random.Random(turn).random() * 0.08)
    pushed = time.perf_counter()
    stand.session.say(stamp(0, samples))
    return pushed


def _after(times: list[float], when: float) -> float:
    return next(at for at in times if at >= when)


def _last_sample(stand: Stand) -> float:
    """When the last sample that is not silent was heard: its chunk came then, and it lies so far into the chunk."""
    at, chunk = [(at, chunk) for at, chunk in stand.sink.sound if chunk.samples.any()][-1]
    return at + int(np.flatnonzero(chunk.samples)[-1]) / chunk.rate


def spread(values: list[float]) -> dict[str, float]:
    """p50, p95 and max of milliseconds."""
    return {"p50": round(float(np.quantile(values, 0.5)), 2), "p95": round(float(np.quantile(values, 0.95)), 2),
            "max": round(max(values), 2)}  # fmt: skip


def _worse(rates: list[dict]) -> dict:
    """Every time of the scenario at the rate where it was longest."""
    worst = {}
    for name, value in rates[0].items():
        if isinstance(value, dict) and "p95" in value:
            worst[name] = {q: max(rate[name][q] for rate in rates) for q in value}
        elif name.endswith("_ms"):
            worst[name] = max(rate[name] for rate in rates)
    return worst


def _line(scenario: dict) -> str:
    shown = {name: value for name, value in scenario.items() if not name.startswith("fps")}
    return "  ".join(
        f"{name} " + ("/".join(f"{part:g}" for part in value.values()) if isinstance(value, dict) else f"{value:g}")
        for name, value in shown.items()
    )


def provenance(command: str) -> dict[str, str | int | float]:
    """Machine, its load, commit and command, so that a figure can be had again."""
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False, cwd=Path(__file__).parent
    ).stdout.strip()
    return {"machine": f"{platform.system()} {platform.machine()}", "cores": os.cpu_count() or 0,
            "python": platform.python_version(), "commit": commit or "unknown",
            "command": command, "date": time.strftime("%Y-%m-%d"), "load": os.getloadavg()[0]}  # fmt: skip
