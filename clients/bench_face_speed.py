"""What a picture of the embedded face costs, stage by stage, on one core: hear, draw, to I420, to H.264."""

import time
from collections.abc import Callable
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from limner.engine.clock import SAMPLE_RATE, frame_duration
from limner.engine.types import AudioChunk, FeatureWindow
from limner.models.animators.morphable import MorphableAnimator
from limner.models.avatar import default_avatar
from limner.models.drivers.speech import SpeechDriver
from limner.models.face.colour import to_picture
from limner.streams.encode import VideoEncoder

FPS, SIZES = 25, (512, 1024)
STAGES = ("hear", "draw", "colour", "encode")
WARM_UP = 10                        # pictures not counted: the encoder's first, caches

Result = TypeVar("Result")


def speeds(sound: NDArray[np.float32]) -> dict[str, dict]:
    """Costs of the default avatar saying `sound` f32 [n] at 16 kHz, by picture size: `hear_ms`, `draw_ms`, `colour_ms`
    and `encode_ms` (x264 superfast) with p50 and p95 per picture, and `fps` of all of them one after another.
    """
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        return {str(size): speed(size, sound) for size in SIZES}
    finally:
        cv2.setNumThreads(threads)


def speed(size: int, sound: NDArray[np.float32]) -> dict:
    """The same for one `size` in px."""
    driver, animator = SpeechDriver(), MorphableAnimator(size, FPS)
    animator.sit_avatar(default_avatar())
    encoder = VideoEncoder("h264", (size, size), FPS)
    costs: dict[str, list[float]] = {stage: [] for stage in STAGES}

    def timed(stage: str, work: Callable[..., Result], *given: object) -> Result:
        start = time.perf_counter()
        out = work(*given)
        costs[stage].append(1000 * (time.perf_counter() - start))
        return out

    samples, duration = SAMPLE_RATE // FPS, frame_duration(FPS)
    for k in range(len(sound) // samples):
        chunk = AudioChunk(sound[k * samples:(k + 1) * samples], SAMPLE_RATE, k * duration, 0, 0)
        rows = timed("hear", driver.push, chunk)
        if rows is not None:
            window = FeatureWindow(rows.rows[-1:], k * duration, driver.step, rows.voiced[-1:], 0)
            frame = timed("draw", animator.draw, window)
            timed("encode", encoder.encode, timed("colour", to_picture, frame))
    return summary(costs)


def summary(costs: dict[str, list[float]]) -> dict:
    """Quantiles of costs in ms, and pictures per second at their sum."""
    kept = {stage: np.array(ms[WARM_UP:]) for stage, ms in costs.items()}
    out: dict = {f"{stage}_ms": {"p50": float(np.quantile(ms, 0.5)), "p95": float(np.quantile(ms, 0.95))}
                 for stage, ms in kept.items()}
    out["fps"] = 1000 / float(sum(ms.mean() for ms in kept.values()))
    return out
