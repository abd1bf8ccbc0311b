"""`limner interpolate`: a clip at another frame rate, its sound kept; and how well held-back frames are rebuilt."""

import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from limner.engine.clock import MonotonicClock, seconds
from limner.engine.errors import MediaError, UsageError
from limner.engine.types import Frame
from limner.models.interpolators.blend import BlendStage
from limner.models.retiming import RetimingStage, is_cut, thumbnail

from . import loader
from .clip import RATES, Clip, check_paths, describe, film, frames, tracked
from .quality import psnr, ssim
from .render import write_report


@dataclass(slots=True)
class Score:
    """Mean likeness of rebuilt frames to the real ones."""

    psnr_db: float
    ssim: float


@dataclass(slots=True)
class Check:
    """Every second frame left out and drawn from its neighbours. `drawn` is None where only the baseline was asked."""

    pairs: int
    blend: Score
    drawn: Score | None


def run(source: Path, out: Path, *, fps: int = 50, method: str = "blend", weights: Path | None = None, device: str = "auto",
        check: bool = False, report: Path | None = None, quiet: bool = False) -> int:
    """Write `source` at `fps` to `out`, in between by `method`; with `check` also say how good it is. Returns 0.

    Raises UsageError, MediaError, WeightsError, OutputError; then `out` is as it was before.
    """
    if fps not in RATES:
        raise UsageError(f"--fps {fps}: expected one of {', '.join(map(str, RATES))}")
    check_paths(source, out)
    module = loader.load("interpolators", method)
    clip, clock = describe(source), MonotonicClock()
    stage = module.create(fps=fps, weights=weights, device=device)
    quality = held_back(clip, stage, quiet) if check else None
    stage.made, began = 0, clock.now()
    pictures = film(clip, stage, out, fps=fps, what="interpolating", quiet=quiet)
    wall = seconds(clock.now() - began)
    numbers = {"pictures": pictures, "fps": fps, "between": stage.made, "fps_in": float(clip.rate), "wall_s": wall,
               "height": clip.size[0], "width": clip.size[1]}
    if not quiet:
        print(f"{out}: {pictures} pictures at {fps} fps, {stage.made} of them drawn in between, in {wall:.1f} s", file=sys.stderr)
    if quality:
        print(told(quality, method), file=sys.stderr)
        numbers["check"] = asdict(quality)
    if report:
        write_report(report, numbers)
    return 0


def held_back(clip: Clip, stage: RetimingStage, quiet: bool) -> Check:
    """Drop every second frame, draw it again, compare; scene cuts are left out. Raises MediaError below three frames."""
    baseline, own = BlendStage(25), None if isinstance(stage, BlendStage) else stage
    blended, drawn = [], []
    for first, real, second in _triples(tracked(frames(clip), clip.frames, "checking", quiet)):
        t = (real.pts - first.pts) / (second.pts - first.pts)
        if is_cut(thumbnail(first.pixels), thumbnail(second.pixels)):
            continue
        blended.append(_likeness(baseline.between(first.pixels, second.pixels, [t])[0], real))
        if own:
            drawn.append(_likeness(own.between(first.pixels, second.pixels, [t])[0], real))
    stage.flush()
    if not blended:
        raise MediaError(f"{clip.path}: too short to hold frames back; expected three frames of one scene or more")
    return Check(len(blended), _mean(blended), _mean(drawn) if drawn else None)


def _triples(source) -> Iterator[tuple[Frame, Frame, Frame]]:
    """(even, odd, next even) frames."""
    first = next(source, None)
    for real in source:
        second = next(source, None)
        if first is None or second is None:
            return
        yield first, real, second
        first = second


def _likeness(picture, real: Frame) -> tuple[float, float]:
    return min(psnr(picture, real.pixels), 99.0), ssim(picture, real.pixels)


def _mean(values: list[tuple[float, float]]) -> Score:
    return Score(*(round(float(v), 4) for v in np.mean(values, axis=0)))


def told(quality: Check, method: str) -> str:
    """The check in one line."""
    line = f"{quality.pairs} frames held back and rebuilt: blend {quality.blend.psnr_db:.2f} dB, SSIM {quality.blend.ssim:.4f}"
    if quality.drawn:
        return f"{line}; {method} {quality.drawn.psnr_db:.2f} dB, SSIM {quality.drawn.ssim:.4f}"
    return f"{line}; amt was not compared: it needs its weights (--method amt --weights FILE)"
