"""`limner bench models`: every neural network's plain forward against its live path, interleaved in one run.

Weights are random: speed does not depend on them. A file in `clients/subjects/` offers a table `SUBJECTS` from a
network's name to what makes its `Subject`; adding a network is adding a line there.
"""

import importlib
import json
import os
import platform
import sys
import time
from pathlib import Path

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from limner.engine.errors import UsageError

from .bench_engine import provenance
from .bench_subject import Run, Subject, Subjects

_ROUNDS, _QUICK = 9, 3
_FOLDER = Path(__file__).parent / "subjects"


def subjects() -> Subjects:
    """All tables joined, in the order of their files."""
    found: Subjects = {}
    for path in sorted(_FOLDER.glob("*.py")):
        found.update(importlib.import_module(f"limner.clients.subjects.{path.stem}").SUBJECTS)
    return found


def run(json_path: str | Path | None = None, quick: bool = False, only: str | None = None) -> dict:
    """Measure all networks (or those whose name contains `only`), print a line for each, write them to `json_path`.

    Raises UsageError when `only` fits none.
    """
    chosen = {name: make for name, make in subjects().items() if not only or only in name}
    if not chosen:
        raise UsageError(f"no network's name contains {only!r}; there are {', '.join(subjects())}")
    results = {}
    for name, make in chosen.items():
        results[name] = measure(make(), _QUICK if quick else _ROUNDS)
        print(f"{name:14}", line(results[name]), file=sys.stderr)
    report = {"kind": "models", **provenance("limner bench models"), "cpu": cpu(), "torch": torch.__version__,
              "threads": torch.get_num_threads(), "rounds": _QUICK if quick else _ROUNDS, "models": results}
    if json_path is not None:
        Path(json_path).write_text(json.dumps(report, indent=1) + "\n")
    return report


def measure(subject: Subject, rounds: int) -> dict:
    """GFLOP, milliseconds and, where there is a live path, its ratio to the plain forward and how far it is from it."""
    runs = {"plain": subject.plain} | ({"live": subject.live} if subject.live else {})
    pictures = {name: call() for name, call in runs.items()}             # also the warm-up
    times: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, call in runs.items():
            began = time.perf_counter()
            call()
            times[name].append((time.perf_counter() - began) * 1000)
    result = {"input": subject.input, **{name: spread(values) | {"gflop": gflop(runs[name])} for name, values in times.items()}}
    if subject.live:
        result["ratio"] = round(float(np.median(times["plain"]) / np.median(times["live"])), 2)
        result["ratio_of_minima"] = round(min(times["plain"]) / min(times["live"]), 2)
        difference = float(np.abs(pictures["plain"] - pictures["live"]).max())
        result |= {"max_difference": float(f"{difference:.2g}"), "within_limit": difference <= subject.limit}
    return result


def spread(values: list[float]) -> dict[str, float]:
    quantiles = {"p50_ms": 0.5, "p95_ms": 0.95, "min_ms": 0.0}
    return {name: round(float(np.quantile(values, q)), 2) for name, q in quantiles.items()}


def gflop(call: Run) -> float:
    """Multiplications and additions of convolutions and matrix products, in thousand millions."""
    with FlopCounterMode(display=False) as counter:
        call()
    return round(counter.get_total_flops() / 1e9, 2)


def line(result: dict) -> str:
    plain = f"{result['input']:28} plain {result['plain']['gflop']:8.2f} GFLOP {result['plain']['p50_ms']:9.1f} ms"
    if "live" not in result:
        return plain
    live = result["live"]
    return (f"{plain}   live {live['gflop']:8.2f} GFLOP {live['p50_ms']:8.1f} ms   {result['ratio']:.2f} x "
            f"({result['ratio_of_minima']:.2f} of minima)   difference {result['max_difference']:.1e}")


def cpu() -> str:
    """The processor's name where the system tells it."""
    try:
        names = [row.split(":", 1)[1].strip() for row in Path("/proc/cpuinfo").read_text().splitlines() if row.startswith("model name")]
    except OSError:
        names = []
    return f"{names[0] if names else platform.processor() or 'unknown'}, {os.cpu_count()} cores"
