"""Frames at one rate to frames on another rate's exact grid; shared by every interpolator.

Output instants are `origin + n * step` ticks, counted in integers from the first frame, however the input jitters or
drops. What lies between two frames is asked of the interpolator, unless nothing may lie there: a scene cut, a hole in
time or another size is bridged by repeating the earlier frame, and frames of another generation (what was shown was
interrupted) by nothing at all, because what is stale must not be shown again.
"""

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Sequence
from fractions import Fraction

import cv2
import numpy as np
from numpy.typing import NDArray

from limner.engine.clock import TICKS_PER_MS, frame_duration
from limner.engine.errors import ContractError
from limner.engine.types import Frame

LONGEST_GAP = 200 * TICKS_PER_MS                 # ticks between frames that still belong to one motion
_THUMB = 32
_CUT = 30                                        # grey levels a thumbnail changes on average; talking stays below 10
_SUSPECT, _ALIKE = 12, 0.5                       # a smaller change that also breaks the picture's pattern


class RetimingStage(ABC):
    """A frame stage that gives `fps` frames per second; subclasses draw what lies between two frames.

    `factor` tells a session how many frames come out per frame drawn; any input rate is accepted all the same.
    """

    delay = 1

    def __init__(self, fps: int | Fraction, *, factor: int = 2, longest_gap: int = LONGEST_GAP):
        self.step = frame_duration(fps)
        self.factor = factor
        self.longest_gap = longest_gap
        self.made = 0                            # frames drawn in between, for reports
        self._begin()

    @abstractmethod
    def between(self, first: NDArray[np.uint8], second: NDArray[np.uint8], times: Sequence[float]) -> list[NDArray[np.uint8]]:
        """Pictures [H, W, 3] at `times`, rising within (0, 1), on the way from `first` to `second`."""

    def push(self, frame: Frame) -> list[Frame]:
        """The frames now known, up to and including this one's instant. Raises ContractError when pts do not rise."""
        last, frame = self._last, _own(frame)
        if last is None:
            self._next = frame.pts
        elif frame.pts <= last.pts:
            raise ContractError(f"frame at {frame.pts} ticks follows one at {last.pts}; pts must rise (flush starts over)")
        out = self._bridge(last, frame) if last else []
        self._last = frame
        if self._next == frame.pts:
            out.append(self._at(frame, self._next, "key"))
            self._next += self.step
        return out

    def flush(self) -> list[Frame]:
        """The last frame repeated to the end of its own duration; the stage is then as new."""
        out = []
        while self._last and self._next < self._last.pts + self._last.duration:
            out.append(self._at(self._last, self._next, "repeat"))
            self._next += self.step
        self._begin()
        return out

    def _begin(self) -> None:
        self._last: Frame | None = None
        self._next = 0
        self.forget()

    def forget(self) -> None:
        """Drop what is kept of earlier frames; a subclass that keeps more drops that too."""
        self._thumb: tuple[Frame, NDArray[np.float32]] | None = None

    def _bridge(self, last: Frame, frame: Frame) -> list[Frame]:
        """Everything due after `last` and before `frame`."""
        due = range(self._next, frame.pts, self.step)
        self._next += len(due) * self.step
        if frame.generation != last.generation:
            self.forget()
            return []
        if not due or not self._joined(last, frame):
            return [self._at(last, pts, "repeat") for pts in due]
        gap = frame.pts - last.pts
        inside = [pts for pts in due if pts > last.pts]
        pictures = self.between(last.pixels, frame.pixels, [(pts - last.pts) / gap for pts in inside])
        self.made += len(pictures)
        alphas = [_mixed(last.alpha, frame.alpha, (pts - last.pts) / gap) for pts in inside]
        return [dataclasses.replace(frame, pixels=p, alpha=a, pts=pts, duration=self.step, drawn="between")
                for pts, p, a in zip(inside, pictures, alphas, strict=True)]

    def _at(self, frame: Frame, pts: int, drawn: str) -> Frame:
        return dataclasses.replace(frame, pts=pts, duration=self.step, drawn=frame.drawn if drawn == "key" else drawn)

    def _joined(self, last: Frame, frame: Frame) -> bool:
        """Whether one motion leads from `last` to `frame`."""
        if frame.pts - last.pts > self.longest_gap or frame.pixels.shape != last.pixels.shape:
            return False
        before = self._thumb[1] if self._thumb and self._thumb[0] is last else self._thumbnail(last)
        after = self._thumbnail(frame)
        self._thumb = frame, after
        return not is_cut(before, after)

    @staticmethod
    def _thumbnail(frame: Frame) -> NDArray[np.float32]:
        return thumbnail(frame.pixels)


def _own(frame: Frame) -> Frame:
    """A copy that stays as it is: an animator may draw the next frame into the same memory."""
    alpha = None if frame.alpha is None else np.array(frame.alpha)
    return dataclasses.replace(frame, pixels=np.array(frame.pixels), alpha=alpha)


def _mixed(first: NDArray[np.uint8] | None, second: NDArray[np.uint8] | None, t: float) -> NDArray[np.uint8] | None:
    if first is None or second is None:
        return second
    return cv2.addWeighted(first, 1 - t, second, t, 0)


def thumbnail(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """[32, 32] grey levels of RGB [H, W, 3]."""
    return cv2.cvtColor(shrunk(pixels), cv2.COLOR_RGB2GRAY).astype(np.float32)


def shrunk(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """[H, W] or [H, W, 3] at 32 x 32 px."""
    step = max(1, min(pixels.shape[:2]) // 128)
    return cv2.resize(pixels[::step, ::step], (_THUMB, _THUMB), interpolation=cv2.INTER_AREA)


def is_cut(before: NDArray[np.float32], after: NDArray[np.float32]) -> bool:
    """Whether two thumbnails show different scenes: a great change, or a fair one that breaks the pattern."""
    change = float(np.abs(after - before).mean())
    if change <= _SUSPECT or change > _CUT:
        return change > _CUT
    a, b = before - before.mean(), after - after.mean()
    energy = float(np.sqrt((a * a).sum() * (b * b).sum()))
    return energy > 0 and float((a * b).sum()) < _ALIKE * energy
