"""The contract checks every implementation has to pass, and the fakes to build tests from.

The checks raise ContractError with what was found and what the protocol asks; they need no test framework.
"""

import gc
import tracemalloc
from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from .clock import SAMPLE_RATE, TICKS, ticks_from_samples
from .colour import i420
from .errors import ContractError
from .fakes import (
    CollectSink,
    FakeAnimator,
    FakeExtractor,
    FakeSource,
    InlineLane,
    chunks_of,
    run_for,
    speech_like,
    voiced,
)
from .protocols import Animator, AudioSource, AVSink, FeatureExtractor, FrameStage
from .types import FeatureRows, FeatureWindow, Frame, Picture

__all__ = [
    "CollectSink", "FakeAnimator", "FakeExtractor", "FakeSource", "InlineLane", "check_animator", "check_extractor",
    "check_sink", "check_source", "check_stage", "chunks_of", "run_for", "speech_like", "voiced",
]  # fmt: skip


def _require(condition: object, message: str) -> None:
    if not condition:
        raise ContractError(message)


def _rows(extractor: FeatureExtractor, samples: NDArray[np.float32], sizes: int | Sequence[int]) -> FeatureRows:
    parts = [rows for chunk in chunks_of(samples, sizes) if (rows := extractor.push(chunk)) is not None]
    parts = [rows for rows in parts if len(rows.rows)]
    _require(parts, f"{len(samples)} samples gave no row at all")
    expected = parts[0].pts
    for rows in parts:
        _require(rows.pts == expected, f"rows at {rows.pts} ticks, {expected} follow the ones before")
        _require(rows.rows.dtype == np.float32, f"rows are {rows.rows.dtype}, float32 is expected")
        _require(rows.rows.shape[1:] == (extractor.width,), f"rows {rows.rows.shape}, width is {extractor.width}")
        _require(rows.voiced.shape == (len(rows.rows),), f"voiced {rows.voiced.shape} for {len(rows.rows)} rows")
        expected += len(rows.rows) * extractor.step
    return FeatureRows(
        np.concatenate([rows.rows for rows in parts]), parts[0].pts,
        np.concatenate([rows.voiced for rows in parts]), parts[-1].captured_ns,
    )  # fmt: skip


def check_extractor(
    extractor: FeatureExtractor, samples: NDArray[np.float32] | None = None, *, atol: float = 1e-5
) -> FeatureRows:
    """Shapes, pts, declared look-ahead, any chunking equals one pass, reset equals fresh, memory. Returns the rows.

    `atol` allows for sums taken in another order.
    """
    _require(extractor.step > 0 and extractor.step % 45 == 0, f"step {extractor.step} is not whole samples of 16 kHz")
    samples = speech_like(3.0) if samples is None else samples
    extractor.reset()
    whole = _rows(extractor, samples, len(samples))
    _require(whole.pts == 0, f"the first row lies at {whole.pts} ticks, sound began at 0")
    _require(np.isfinite(whole.rows).all(), "rows hold NaN or infinity")
    due = (ticks_from_samples(len(samples)) - extractor.lookahead) // extractor.step
    _require(len(whole.rows) >= due, f"{len(whole.rows)} rows for sound that makes {due} at the declared look-ahead")
    for sizes in (320, 160, [1, 7, 1000, 333], 4801):
        extractor.reset()
        streamed = _rows(extractor, samples, sizes)
        worst = _difference(streamed.rows, whole.rows)
        _require(worst <= atol, f"chunks of {sizes}: rows differ from one pass by {worst:.2g}")
        count = min(len(streamed.voiced), len(whole.voiced))
        _require((streamed.voiced[:count] == whole.voiced[:count]).all(), f"chunks of {sizes}: voiced differs")
    _check_growth(lambda: _rows(extractor, samples[: SAMPLE_RATE // 2], 320), "extractor", before=extractor.reset)
    extractor.reset()
    return whole


def _difference(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    _require(abs(len(a) - len(b)) <= 1, f"{len(a)} rows streamed, {len(b)} in one pass")
    count = min(len(a), len(b))
    return float(np.abs(a[:count] - b[:count]).max()) if count else 0.0


def _window(animator: Animator, rows: NDArray[np.float32], pts: int, step: int, voiced: bool) -> FeatureWindow:
    count = animator.window[0] + 1 + animator.window[1]
    stretch = np.broadcast_to(rows, (count, rows.shape[-1])).astype(np.float32)
    return FeatureWindow(stretch, pts, step, np.full(count, voiced), 0)


def _film(animator: Animator, windows: Sequence[FeatureWindow]) -> list[NDArray[np.uint8]]:
    frames = []
    for window in windows:
        frame = animator.draw(window)
        pixels = np.array(frame.pixels)
        _require(frame.pts == window.pts, f"frame at {frame.pts} ticks, window at {window.pts}")
        _require(pixels.dtype == np.uint8, f"pixels are {pixels.dtype}, uint8 is expected")
        _require(pixels.shape == (*animator.size, 3), f"pixels {pixels.shape}, size says {(*animator.size, 3)}")
        frames.append(pixels)
    return frames


def check_animator(
    animator: Animator, width: int, *, step: int = 900, duration: int = 3600, still: float = 8.0, frames: int = 25
) -> list[NDArray[np.uint8]]:
    """Shapes, pts, reset equals fresh, stillness in silence, memory, planes. `animator` must already be sat. Returns frames.

    In silence no two pictures in a row may differ by more than `still` grey levels on average; blinks, breath and
    sway are well under it.
    """
    rng = np.random.default_rng(1)
    loud = rng.uniform(0, 0.8, (frames, width)).astype(np.float32)
    moving = [_window(animator, loud[k], k * duration, step, True) for k in range(frames)]
    silent = [_window(animator, np.zeros(width, np.float32), k * duration, step, False) for k in range(frames)]
    animator.reset()
    first = _film(animator, moving)
    animator.reset()
    _require(all(map(np.array_equal, first, _film(animator, moving))), "reset does not equal fresh: frames differ")
    animator.reset()
    resting = _film(animator, silent)
    for k, (before, after) in enumerate(pairwise(resting)):
        change = float(np.abs(after.astype(np.int16) - before).mean())
        _require(change <= still, f"frame {k + 1} of silence changes by {change:.1f} grey levels, {still} are allowed")
    _check_growth(lambda: _film(animator, silent[:10]), "animator", before=animator.reset)
    animator.reset()
    if hasattr(animator, "draw_planes"):
        _check_planes(animator, moving, first)
        animator.reset()
    return first


def _check_planes(animator: Animator, windows: Sequence[FeatureWindow], drawn: Sequence[NDArray[np.uint8]]) -> None:
    """What `draw_planes` gives is what `draw` gave: to the pixel, or as planes half a level apart on average."""
    for window, pixels in zip(windows, drawn, strict=True):
        frame = animator.draw_planes(window)
        _require(frame.pts == window.pts, f"frame with planes at {frame.pts} ticks, window at {window.pts}")
        if frame.planes is None:
            _require(np.array_equal(frame.pixels, pixels), "draw_planes gave other pixels than draw")
            continue
        wanted = i420(pixels)
        _require(frame.planes.dtype == np.uint8 and frame.planes.shape == wanted.shape,
                 f"planes are {frame.planes.dtype} {frame.planes.shape}, expected uint8 {wanted.shape}")
        apart = float(np.abs(frame.planes.astype(np.int16) - wanted).mean())
        _require(apart <= 0.5, f"planes are {apart:.1f} levels from what draw gave, 0.5 are allowed")


def check_stage(stage: FrameStage, size: tuple[int, int] = (64, 64), *, frames: int = 8, duration: int = 3600) -> None:
    """Shapes, strictly increasing pts, the declared delay and factor, flush equals fresh, memory."""
    rng = np.random.default_rng(2)
    inputs = [
        Frame(rng.integers(0, 255, (*size, 3), np.uint8), k * duration, duration, k) for k in range(frames)
    ]
    first, second = _stage_run(stage, inputs), _stage_run(stage, inputs)
    _require([f.pts for f in first] == [f.pts for f in second], "after flush the stage is not as new: pts differ")
    same = all(np.array_equal(np.asarray(a.pixels), np.asarray(b.pixels)) for a, b in zip(first, second, strict=True))
    _require(same, "after flush the stage is not as new: pixels differ")
    _check_growth(lambda: _stage_run(stage, inputs), "stage")


def _stage_run(stage: FrameStage, inputs: Sequence[Frame]) -> list[Frame]:
    factor, out = getattr(stage, "factor", 1), []
    for k, frame in enumerate(inputs):
        out += [(each, np.array(each.pixels)) for each in stage.push(frame)]
        least = max(0, k - stage.delay) * factor
        _require(len(out) >= least, f"{len(out)} frames after {k + 1} pushes; a delay of {stage.delay} promises {least}")
    out += [(each, np.array(each.pixels)) for each in stage.flush()]
    pts = [frame.pts for frame, _ in out]
    _require(all(a < b for a, b in pairwise(pts)), f"pts do not strictly increase: {pts}")
    asked = {frame.pts for frame in inputs}
    _require(asked <= set(pts), f"frames pushed at {sorted(asked - set(pts))} ticks never came out")
    for frame, pixels in out:
        _require(pixels.dtype == np.uint8 and pixels.ndim == 3 and pixels.shape[2] == 3, f"pixels {pixels.shape}")
        _require(frame.captured_ns in range(len(inputs)), f"captured_ns {frame.captured_ns} was never pushed")
    return [Frame(pixels, frame.pts, frame.duration, frame.captured_ns) for frame, pixels in out]


async def check_source(source: AudioSource, *, chunks: int = 10) -> NDArray[np.float32]:
    """Rate, shape, dtype, range and gap-free start of the first `chunks` chunks. Returns their samples."""
    heard: list[NDArray[np.float32]] = []
    async with source:
        expected = None
        async for chunk in source:
            _require(chunk.rate == source.rate, f"chunk at {chunk.rate} Hz, the source says {source.rate}")
            _require(chunk.samples.dtype == np.float32 and chunk.samples.ndim == 1, "samples are not f32 [n]")
            _require(np.abs(chunk.samples).max(initial=0) <= 1.0, "samples are outside [-1, 1]")
            expected = chunk.start if expected is None else expected
            _require(chunk.start == expected, f"chunk starts at {chunk.start}, {expected} follows the one before")
            expected += len(chunk.samples)
            heard.append(chunk.samples)
            if len(heard) == chunks:
                break
    _require(heard, "the source gave no sound at all")
    return np.concatenate(heard)


async def check_sink(sink: AVSink, *, size: tuple[int, int] = (64, 64), frames: int = 10, fps: int = 25) -> None:
    """Takes a short stream of pictures and sound in order of pts, a repeat and a skipped picture among them."""
    duration = TICKS // fps
    async with sink:
        for k in range(frames):
            if k != frames // 2:
                planes = np.full((size[0] * 3 // 2, size[1]), 16 + k, np.uint8)
                drawn = "repeat" if k == 2 else "key"
                await sink.show(Picture(planes, size, k * duration, k, duration, drawn))
        samples = speech_like(frames / fps)
        for chunk in chunks_of(samples):
            await sink.play(chunk)


def _check_growth(work: Callable[[], object], what: str, before: Callable[[], None] = lambda: None) -> None:
    """Memory held after the work was done ten times more must not grow by 64 KiB or more."""
    before()
    work()
    work()
    gc.collect()
    tracemalloc.start()
    try:
        before()
        work()
        gc.collect()
        base = tracemalloc.get_traced_memory()[0]
        for _ in range(10):
            before()
            work()
        gc.collect()
        grown = tracemalloc.get_traced_memory()[0] - base
    finally:
        tracemalloc.stop()
    _require(grown < 65_536, f"the {what} holds {grown} bytes more after ten further runs")
