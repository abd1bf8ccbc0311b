"""Contrast-adaptive sharpening, the restorer without weights.

The filter is AMD FidelityFX CAS as its authors describe it (Lottes, "FidelityFX Contrast Adaptive Sharpening", 2019): a
cross of five pixels whose negative lobe shrinks where the neighbourhood already spans most of the range, so that soft
detail gains and hard edges do not ring. The lobe depends on the green channel and serves all three. On a stream, pixels
whose surroundings stay as they were are held back, so that noise sharpened by default flickers no more than the input.
"""

import dataclasses
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
from numba import njit
from numpy.typing import NDArray

from limner.engine.types import Frame
from limner.models.restoration import align

EDGE = 24                                        # px over which the strength falls to 0 at the edge of the face
STILL, MOVING = 2.0, 6.0                         # mean change of a cross up to which it is still, from which it moves
HOLD = 0.6                                       # of the picture before kept where all is still
_LEAST, _MOST = 8.0, 5.0                         # reciprocals of the lobe at sharpness 0 and 1


class SharpenStage:
    """Frame stage. `sharpness` 0..1; once `seat` has told where the face is, only the face is touched."""

    delay = 0
    restores = True

    def __init__(self, sharpness: float = 0.5):
        self.sharpness = sharpness
        self._seated: tuple[NDArray, tuple[int, int]] | None = None
        self._before: tuple[NDArray[np.uint8], NDArray[np.uint8]] | None = None      # as it came, as it was shown

    def seat(self, landmarks: NDArray, size: tuple[int, int]) -> None:
        """The face stays near `landmarks` [478, 2 or 3] px of a picture of `size` (H, W)."""
        self._seated = align.five_points(landmarks), size

    def push(self, frame: Frame) -> Sequence[Frame]:
        pixels = np.array(frame.pixels)                              # kept: an animator may draw into the same memory
        top, left, bottom, right = box = self._box(*pixels.shape[:2])
        out = sharpen(pixels, self.sharpness, box)
        if self._before is not None and self._before[0].shape == pixels.shape:
            part = np.s_[top:bottom, left:right]
            _steady(pixels[part], self._before[0][part], self._before[1][part], out[part])
        self._before = pixels, out
        return [dataclasses.replace(frame, pixels=out.copy())]

    def flush(self) -> Sequence[Frame]:
        """Nothing is held back; the next frame is a new picture."""
        self._before = None
        return []

    def _box(self, height: int, width: int) -> tuple[int, int, int, int]:
        if self._seated is None:
            return 0, 0, height, width
        five, (was_high, was_wide) = self._seated
        points = five * (width / was_wide, height / was_high)
        middle, reach = points.mean(axis=0), 1.9 * np.ptp(points, axis=0).max()
        left, top = np.maximum(middle - reach, 0).astype(int)
        right, bottom = np.minimum(middle + reach, (width, height)).astype(int)
        return int(top), int(left), int(bottom), int(right)


def sharpen(picture: NDArray[np.uint8], sharpness: float = 0.5,
            box: tuple[int, int, int, int] | None = None) -> NDArray[np.uint8]:
    """`picture` [H, W, 3] sharpened within `box` (top, left, bottom, right; all of it by default)."""
    height, width = picture.shape[:2]
    top, left, bottom, right = box or (0, 0, height, width)
    out = picture.copy()
    if min(height, width) > 2 and bottom > top and right > left:
        rows, columns = _ramp(top, bottom, height), _ramp(left, right, width)
        _filter(picture, out, top, left, rows, columns, _lobes(float(sharpness)))
    return out


def _ramp(begin: int, end: int, limit: int) -> NDArray[np.float32]:
    """Strength along one axis: full, but fading at an edge beyond which there is more picture."""
    at = np.arange(end - begin, dtype=np.float32) + 0.5
    up = at / EDGE if begin > 0 else np.ones_like(at)
    down = at[::-1] / EDGE if end < limit else np.ones_like(at)
    return np.minimum(np.minimum(up, down), 1)


@cache
def _lobes(sharpness: float) -> NDArray[np.float32]:
    """[256, 256] weight of each neighbour for the smallest and the largest value around."""
    low, high = np.meshgrid(np.arange(256.0), np.arange(256.0), indexing="ij")
    room = np.minimum(low, 255 - high) / np.maximum(high, 1)
    return (-np.sqrt(np.clip(room, 0, 1)) / (_LEAST + (_MOST - _LEAST) * sharpness)).astype(np.float32)


@njit(cache=True, nogil=True, fastmath=True)
def _filter(picture, out, top, left, rows, columns, lobes):
    height, width = picture.shape[:2]
    for i in range(rows.size):
        y = top + i
        up, down = max(y - 1, 0), min(y + 1, height - 1)
        for j in range(columns.size):
            x = left + j
            before, after = max(x - 1, 0), min(x + 1, width - 1)
            a, b = picture[up, x, 1], picture[down, x, 1]
            c, d, e = picture[y, before, 1], picture[y, after, 1], picture[y, x, 1]
            weight = lobes[min(a, b, c, d, e), max(a, b, c, d, e)] * rows[i] * columns[j]
            scale = np.float32(1) / (np.float32(1) + np.float32(4) * weight)
            for k in range(3):
                around = np.float32(np.int32(picture[up, x, k]) + np.int32(picture[down, x, k])
                                    + np.int32(picture[y, before, k]) + np.int32(picture[y, after, k]))
                value = (around * weight + np.float32(picture[y, x, k])) * scale + np.float32(0.5)
                out[y, x, k] = np.uint8(min(max(value, np.float32(0)), np.float32(255)))


@njit(cache=True, nogil=True, fastmath=True)
def _steady(now, before, shown, out):
    """Draw `out` toward what was shown before, where a pixel's cross has not changed."""
    height, width = now.shape[:2]
    for y in range(height):
        up, down = max(y - 1, 0), min(y + 1, height - 1)
        for x in range(width):
            left, right = max(x - 1, 0), min(x + 1, width - 1)
            change = (abs(np.int32(now[y, x, 1]) - before[y, x, 1]) + abs(np.int32(now[up, x, 1]) - before[up, x, 1])
                      + abs(np.int32(now[down, x, 1]) - before[down, x, 1])
                      + abs(np.int32(now[y, left, 1]) - before[y, left, 1])
                      + abs(np.int32(now[y, right, 1]) - before[y, right, 1]))
            if change >= 5 * MOVING:
                continue
            hold = np.float32(HOLD) * min(np.float32(1), (np.float32(5 * MOVING) - change) / np.float32(5 * (MOVING - STILL)))
            for k in range(3):
                value = np.float32(out[y, x, k])
                out[y, x, k] = np.uint8(value + hold * (np.float32(shown[y, x, k]) - value) + np.float32(0.5))


def create(*, weights: Path | None = None, budget_ms: float | None = None, device: str = "auto") -> SharpenStage:
    """A stage that needs neither weights nor a device and costs about a millisecond; all three are accepted and unused."""
    return SharpenStage()
