"""`limner bench gpu --minutes N`: one DINet on the GPU draws for many in real time, and whether any memory grows.

Visitors sit, speak without a pause at 25 pictures a second, leave and are followed by others. Their pictures are drawn
together and finished on the device as in `limner serve`; random weights, the picture size of the published ones.
"""

import gc
import json
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from limner.cuda.lane import Lane, open_lane
from limner.engine.clock import TICKS, Clock, MonotonicClock, seconds
from limner.engine.errors import UsageError
from limner.engine.metrics import Histogram
from limner.engine.types import FeatureWindow
from limner.models.animators.dinet import DINetAnimator
from limner.models.avatar import default_avatar
from limner.models.dinet.generator import DINet
from limner.models.dinet.live import LiveDINet
from limner.models.drawing import Drawing

from .bench_engine import provenance
from .bench_gpu import chosen_device, machine
from .memory import keep_flat
from .soak import resident, slope
from .subjects.dubbing import healthy

VISITORS = 8
STAY = 60                                        # s a visitor stays; they come evenly spread
TURNS, RUSH = 5, 2                               # times all come at once, for how many s, before anything is measured
FRAME = TICKS // 25
STEP = 1.0                                       # s between two looks at the memory
# MB per minute. The heap of the process widens by some 10 MB when more happen to sit at once than ever before.
LIMITS = {"rss": 2.0, "device_tensors": 1.0, "device_cache": 1.0, "device": 1.0}
SIZES = {False: (512, 256), True: (256, 64)}     # picture and mouth, in px; small where there is no GPU


@dataclass(slots=True)
class Place:
    """One place for visitors, each of which has it for a while. Errors are kept for who waits for the thread."""

    drawing: Drawing
    number: int
    size: tuple[int, int]
    clock: Clock
    over: threading.Event
    times: Histogram = field(default_factory=Histogram)      # from asking for a picture to having it
    visitors: int = 0
    finished: int = 0                                        # pictures that came as planes
    error: BaseException | None = None

    def attempt(self, work: Callable[["Place"], None]) -> None:
        try:
            work(self)
        except BaseException as error:
            self.error = error
            self.over.set()

    def serve(self) -> None:
        """One visitor after another; the first ones leave one by one."""
        stay = STAY * TICKS * (self.number + 1) // VISITORS
        while not self.over.is_set():
            self.visit(stay)
            stay = STAY * TICKS

    def rush(self) -> None:
        """A short visit that leaves no trace in the figures: every early one still widens the heap."""
        self.visit(RUSH * TICKS)
        self.times, self.visitors, self.finished = Histogram(), 0, 0

    def visit(self, stay: int) -> None:
        """Sit, and draw at the pace of the clock; where that cannot be kept, as fast as it goes."""
        self.visitors += 1
        side, mouth = self.size
        animator = DINetAnimator(self.drawing, size=side, mouth=mouth, liveliness=0)
        animator.sit(default_avatar().portrait)
        rng = np.random.default_rng((self.number, self.visitors))
        began = due = self.clock.now()
        while (now := self.clock.now()) - began < stay and not self.over.wait(max(0.0, seconds(due - now))):
            self._draw(animator, due - began, rng)
            due = max(due + FRAME, self.clock.now() - FRAME)

    def _draw(self, animator: DINetAnimator, pts: int, rng: np.random.Generator) -> None:
        rows = rng.standard_normal((9, 29)).astype(np.float32)
        asked = self.clock.now_ns()
        frame = animator.draw_planes(FeatureWindow(rows, pts, 1800, np.ones(9, bool), asked))
        self.times.add(self.clock.now_ns() - asked)
        self.finished += frame.planes is not None


@dataclass(slots=True)
class Memory:
    """MB seen every second: of this process, of PyTorch's tensors and cache, and of the whole device."""

    lane: Lane
    minutes: list[float] = field(default_factory=list)
    seen: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in LIMITS})

    def look(self, minute: float) -> None:
        self.minutes.append(minute)
        for name, values in zip(self.seen, (resident(), *self._device()), strict=True):
            self.seen[name].append(values)

    def _device(self) -> tuple[float, float, float]:
        if self.lane.device == "cpu":
            return 0.0, 0.0, 0.0
        free, total = torch.cuda.mem_get_info(self.lane.device)
        return tuple(each / 2**20 for each in (torch.cuda.memory_allocated(self.lane.device),
                                               torch.cuda.memory_reserved(self.lane.device), total - free))

    def figures(self) -> dict:
        return {name: {"mb_first": values[0], "mb_last": values[-1], "mb_max": max(values),
                       "mb_per_minute": slope(self.minutes, values), "mb_every_10_s": [round(mb, 1) for mb in values[::10]]}
                for name, values in self.seen.items()}


def soak(lane: Lane, minutes: float, clock: Clock) -> dict:
    """Figures of `VISITORS` places over `minutes`. Raises what any of them raised."""
    network = healthy(DINet()).to(lane.device)
    drawing = Drawing(lambda: LiveDINet(network), lane, shared=True, finishes=True)
    over, memory = threading.Event(), Memory(lane)
    places = [Place(drawing, number, SIZES[lane.device == "cpu"], clock, over) for number in range(VISITORS)]
    for _ in range(TURNS):
        finish(places, begin(places, Place.rush))
    calls, threads, began = drawing.batcher.calls, begin(places, Place.serve), clock.now()
    while (spent := seconds(clock.now() - began) / 60) < minutes and not over.wait(STEP):
        gc.collect()
        memory.look(spent)
    over.set()
    finish(places, threads)
    drawing.batcher.close()
    return figures(places, drawing.batcher.calls - calls, minutes) | {"memory": memory.figures()}


def begin(places: list[Place], work: Callable[[Place], None]) -> list[threading.Thread]:
    threads = [threading.Thread(target=place.attempt, args=(work,), name=f"limner-place-{place.number}", daemon=True) for place in places]
    for thread in threads:
        thread.start()
    return threads


def finish(places: list[Place], threads: list[threading.Thread]) -> None:
    """Wait for all. Raises what any of them raised."""
    for thread in threads:
        thread.join()
    for error in (place.error for place in places if place.error):
        raise error


def figures(places: list[Place], calls: int, minutes: float) -> dict:
    """What was drawn, how many together, and how long each waited."""
    pictures = sum(place.times.count for place in places)
    return {"minutes": minutes, "places": len(places), "visitors": sum(place.visitors for place in places), "pictures": pictures,
            "finished": sum(place.finished for place in places), "calls": calls, "pictures_per_call": round(pictures / max(calls, 1), 2),
            "worst_p50_ms": max(place.times.quantile(0.5) for place in places),
            "worst_p95_ms": max(place.times.quantile(0.95) for place in places)}


def grown(memory: dict) -> list[str]:
    """Names of the memories that grow by more than their limit."""
    return [name for name, each in memory.items() if each["mb_per_minute"] > LIMITS[name]]


def run(json_path: Path | None, minutes: float, device: str = "auto") -> int:
    """Soak, print and write the figures. Returns 1 when memory grows. DeviceError and UsageError as `bench_gpu.run`."""
    if not 0 < minutes <= 7 * 24 * 60:
        raise UsageError(f"--minutes {minutes:g}: expected more than 0 and at most a week")
    name = chosen_device(device)
    keep_flat()
    with open_lane(name) as lane:
        found = soak(lane, minutes, MonotonicClock())
    about = {"kind": "gpu-soak", **provenance(f"limner bench gpu --minutes {minutes:g}"), **machine(name), "tiny": int(name == "cpu")}
    text = json.dumps(about | found, indent=1)
    if json_path:
        Path(json_path).write_text(text + "\n", "utf-8")
    print(text)
    if names := grown(found["memory"]):
        rates = (f"{each} {found['memory'][each]['mb_per_minute']:.2f} MB per minute" for each in names)
        print("it grows: " + ", ".join(rates), file=sys.stderr)
    return int(bool(names))
