"""`limner bench gpu`: every network the plain way and ours, in turn, in one run on one GPU.

Figures are medians of wall-clock time around a call with the device idle before and after: what a session waits for.
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from limner.cuda.lane import Lane, is_out_of_memory, open_lane
from limner.engine.errors import DeviceError, UsageError
from limner.models.devices import choose

from .bench_engine import provenance
from .bench_gpu_cases import CASES, Case, chosen
from .bench_models import spread

_ROUNDS, _QUICK = 50, 3
RATES = (25, 50)


def run(json_path: str | Path | None = None, quick: bool = False, only: str | None = None, device: str = "auto") -> dict:
    """Measure all cases (or those whose name contains `only`), print a line for each, write them to `json_path`.

    `device` "cpu" runs everything at small sizes, to try the bench itself. Raises DeviceError where there is no GPU and
    UsageError when `only` fits no case. What breaks a case is raised when the others are measured and written.
    """
    name = chosen_device(device)
    cases = list(chosen(only))
    if not cases:
        raise UsageError(f"no case's name contains {only!r}; there are {', '.join(CASES)}")
    results, failures = {}, []
    with open_lane(name) as lane:
        for title, make in cases:
            results[title] = lane.call(lambda make=make: attempt(lane, make, _QUICK if quick else _ROUNDS, failures))
            print(line(title, results[title]), file=sys.stderr, flush=True)
    report = {"kind": "gpu", **provenance("limner bench gpu"), **machine(name), "tiny": int(name == "cpu"),
              "rounds": _QUICK if quick else _ROUNDS, "cases": results}
    if json_path is not None:
        Path(json_path).write_text(json.dumps(report, indent=1) + "\n")
    if failures:
        raise failures[0]
    return report


def chosen_device(device: str) -> str:
    """The device asked for; the CPU only where it was. Raises DeviceError."""
    name = choose(device)
    if name == "cpu" and device != "cpu":
        raise DeviceError("no CUDA GPU is usable here; see `limner doctor`, or try the bench itself at small sizes with "
                          "--device cpu")
    return name


def machine(device: str) -> dict[str, str]:
    gpu = torch.cuda.get_device_name(device) if device != "cpu" else "none"
    return {"gpu": gpu, "torch": torch.__version__, "cuda": torch.version.cuda or "none"}


def attempt(lane: Lane, make: Callable[[Lane, bool], Case], rounds: int, failures: list[Exception]) -> dict:
    """A case's figures. One that breaks, or does not fit into the device's memory, lets the others go on."""
    try:
        return measure(make(lane, lane.device == "cpu"), lane, rounds)
    except Exception as error:
        short = is_out_of_memory(error)
        if not short:
            failures.append(error)
        return {"out_of_memory": 1} if short else {"failed": 1}
    finally:
        lane.release()


def measure(case: Case, lane: Lane, rounds: int) -> dict:
    """Each way's milliseconds per call and picture, its ratio to the plain way, and how near to it its pictures are."""
    idle = (lambda: None) if lane.device == "cpu" else torch.cuda.synchronize
    if lane.device != "cpu":
        torch.cuda.reset_peak_memory_stats()
    with torch.inference_mode():
        pictures = {name: way().clone() for name, way in case.ways.items()}       # also the warm-up, and the recording
        times: dict[str, list[float]] = {name: [] for name in case.ways}
        for _ in range(rounds):
            for name, way in case.ways.items():
                idle()
                began = time.perf_counter()
                way()
                idle()
                times[name].append((time.perf_counter() - began) * 1000)
    result = {"input": case.input, "frames": case.frames, "bytes_per_session": case.bytes_per_session,
              "peak_bytes": 0 if lane.device == "cpu" else torch.cuda.max_memory_allocated()}
    for name, values in times.items():
        result[name] = spread(values) | figures(case, float(np.median(values)))
        if name != "plain":
            result[name] |= {"ratio": round(float(np.median(times["plain"]) / np.median(values)), 2),
                             "psnr_db": psnr(pictures["plain"], pictures[name])}
    return result


def figures(case: Case, ms: float) -> dict[str, float]:
    """Milliseconds per picture, sessions that could be kept at each rate, and the arithmetic done per second."""
    each = ms / case.frames
    found = {"ms_per_picture": round(each, 4)} | {f"sessions_at_{rate}": int(1000 / rate // each) for rate in RATES}
    return found | ({"tflops": round(case.floor_gflop / ms, 3)} if case.floor_gflop else {})


def psnr(wanted: Tensor, drawn: Tensor) -> float:
    """dB, with the range of the wanted pictures as the peak; 200 for equal ones."""
    a, b = wanted.double(), drawn.double()
    error, peak = float((a - b).square().mean()), float(a.max() - a.min())
    return 200.0 if error == 0 else round(float(10 * np.log10(max(peak, 1e-12) ** 2 / error)), 1)


def line(title: str, result: dict) -> str:
    if "out_of_memory" in result:
        return f"{title:12} does not fit into the memory of this device"
    if "failed" in result:
        return f"{title:12} failed"
    plain = result["plain"]
    text = f"{title:12} {result['input']:34} plain {plain['p50_ms']:9.2f} ms"
    for name in ("staged", "live", "live_f16"):
        if name in result:
            way = result[name]
            text += f"   {name} {way['p50_ms']:9.2f} ms ({way['ratio']:.2f} x, {way['psnr_db']:.0f} dB, {way['sessions_at_25']} at 25 fps)"
    return text
