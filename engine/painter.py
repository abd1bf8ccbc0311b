"""Sound in, pictures out: rows, window, draw, stages, colour. Plain calls on one thread, no clock, no queue.

The live session runs a painter on its lane and `offline.film` calls the same one directly, so that what is streamed
and what is rendered are one code path.
"""

import dataclasses
from collections.abc import Callable, Sequence
from math import prod

import numpy as np
from numpy.typing import NDArray

from . import colour as reference_colour
from .clock import SAMPLE_RATE, TICKS_PER_MS, samples_from_ticks
from .errors import ContractError
from .metrics import Metrics
from .protocols import Animator, FeatureExtractor, FrameStage
from .ring import FeatureRing
from .types import ARKIT, EXPRESSION_ROW, AudioChunk, FeatureWindow, Frame, Picture

EASE = 80 * TICKS_PER_MS             # a mouth that is cut off closes over two frames at 25 per second
_JUST_SPOKEN = 200 * TICKS_PER_MS    # after so much silence the mouth is at rest and needs no easing
_RING = 6000 * TICKS_PER_MS


class Painter:
    """Everything between sound and pictures. `duration` is ticks per picture, `colour` turns a Frame's pixels into a
    Picture."""

    def __init__(
        self,
        extractor: FeatureExtractor,
        animator: Animator,
        stages: Sequence[FrameStage] = (),
        *,
        duration: int,
        colour: Callable[[Frame], Picture] | None = None,
        metrics: Metrics | None = None,
        now_ns: Callable[[], int] = lambda: 0,
    ) -> None:
        self._stages = tuple(stages)
        self._duration = duration
        self.restores = any(getattr(stage, "restores", False) for stage in stages)
        self.stride = prod(getattr(stage, "factor", 1) for stage in stages)   # pictures per drawn frame
        self._colour = colour or reference_colour.to_picture
        self._metrics = metrics or Metrics()
        self._now_ns = now_ns
        self._overlay: NDArray[np.float32] | None = None
        self._take(extractor, animator)

    def _take(self, extractor: FeatureExtractor, animator: Animator) -> None:
        self._extractor, self._animator = extractor, animator
        self._finishes = not self._stages and hasattr(animator, "draw_planes")      # no stage needs pixels
        self._joined = animator.join(self._stages) if self._stages and hasattr(animator, "join") else None
        self._begin()

    def _begin(self) -> None:
        extractor = self._extractor
        self._ring = FeatureRing(_RING // extractor.step + 1, extractor.width, extractor.step)
        self._ease: tuple[int, NDArray[np.float32]] | None = None
        self._previous: Picture | None = None

    @property
    def takes_expressions(self) -> bool:
        """Whether the rows are Expressions, which can be eased, and added to from outside."""
        return self._extractor.width == EXPRESSION_ROW

    @property
    def covered(self) -> int | None:
        """Ticks of the newest instant that can be drawn with every row it asks for; None before the first."""
        newest = self._ring.covered
        return None if newest is None else newest - self._animator.window[1] * self._extractor.step

    def hear(self, chunk: AudioChunk) -> None:
        """Push sound that follows what was pushed before."""
        began = self._now_ns()
        rows = self._extractor.push(chunk)
        if rows is not None and len(rows.rows):
            self._ring.push(rows)
        self._metrics.time("features", self._now_ns() - began)

    def listen(self, chunk: AudioChunk) -> None:
        """The other person's voice, for animators that listen."""
        if hasattr(self._animator, "listen"):
            self._animator.listen(chunk)

    def restart(self, pts: int) -> None:
        """The sound from `pts` on is replaced: forget what was drawn for it and ease from the last row before it."""
        step, before = self._extractor.step, self._animator.window[0]
        self._previous = None
        self._drop()
        ease = None
        if self._ring.covered is not None:
            last = self._window(pts - step, _JUST_SPOKEN // step, 0)
            if self.takes_expressions and last.voiced.any():
                ease = (pts, last.rows[-1])
        self._extractor.reset()
        self._ring.restart(pts, keep=max(before, _JUST_SPOKEN // step) + 1)
        self._ease = ease

    def _drop(self) -> None:
        """Forget what the stages hold."""
        for part in self._stages if self._joined is None else (self._joined,):
            part.flush()

    def overlay(self, row: NDArray[np.float32] | None) -> None:
        """Add `row` [58] to every row drawn from now on, until replaced."""
        self._overlay = row

    def paint(self, pts: int, *, generation: int = 0, thrifty: bool = False, halve: bool = False) -> list[Picture]:
        """Draw the instant `pts` and return the pictures now complete, in order.

        `thrifty` leaves restorers out; `halve` puts a blend between this picture and the one two durations before.
        """
        window = self._window(pts, *self._animator.window)
        if self._overlay is not None:
            window = dataclasses.replace(window, rows=_add(window.rows, self._overlay))
        pictures = self._pictures(window, generation, thrifty)
        return self._with_between(pictures) if halve else self._remember(pictures)

    def _pictures(self, window: FeatureWindow, generation: int, thrifty: bool) -> list[Picture]:
        began = self._now_ns()
        duration = self._duration * self.stride
        if self._joined is not None:
            frames = self._joined.draw(window, duration=duration, generation=generation, thrifty=thrifty)
            drawn = self._now_ns()
        else:
            draw = self._animator.draw_planes if self._finishes else self._animator.draw
            frame = dataclasses.replace(
                draw(window), pts=window.pts, duration=duration, generation=generation, captured_ns=window.captured_ns,
            )  # fmt: skip
            drawn = self._now_ns()
            frames = self._run([frame], thrifty)
        staged = self._now_ns()
        pictures = [self._finish(each) for each in frames]
        self._metrics.time("draw", drawn - began)
        self._metrics.time("stages", staged - drawn)
        self._metrics.time("colour", self._now_ns() - staged)
        return pictures

    def flush(self) -> list[Picture]:
        """The pictures the stages still hold, at the end of the sound."""
        frames: Sequence[Frame] = [] if self._joined is None else self._joined.flush()
        for stage in self._stages if self._joined is None else ():
            frames = [*self._push(stage, frames), *stage.flush()]
        return [self._finish(frame) for frame in frames]

    def warm_up(self) -> None:
        """Draw once, for whatever is slow the first time, and be as new. Silence is heard but taken for speech: an animator
        may spare itself a mouth that rests."""
        needed = self._extractor.lookahead + (self._animator.window[1] + 2) * self._extractor.step
        silence = np.zeros(samples_from_ticks(needed) + 1, np.float32)
        self.hear(AudioChunk(silence, SAMPLE_RATE, 0, 0, 0))
        if self._ring.covered is None:
            raise ContractError(f"extractor gave no row for {len(silence)} samples; it declares fewer are enough")
        window = self._window(0, *self._animator.window)
        self._pictures(dataclasses.replace(window, voiced=np.ones_like(window.voiced)), 0, thrifty=False)
        self.reset()

    def reset(self) -> None:
        """Be as new."""
        self._animator.reset()
        self.wake()

    def wake(self) -> None:
        """Go on after pictures were left out: what was heard before them and what the stages hold is too old."""
        self._extractor.reset()
        self._drop()
        self._begin()

    def fall_back(self, extractor: FeatureExtractor, animator: Animator) -> None:
        """Draw with another pair from the next sound on."""
        self._take(extractor, animator)

    def _window(self, pts: int, before: int, after: int) -> FeatureWindow:
        """The ring's window, eased after a restart."""
        window = self._ring.window(pts, before, after)
        if self._ease is None:
            return window
        since, origin = self._ease
        instants = pts - window.offset + np.arange(-before, after + 1) * window.step - since
        if instants[0] >= EASE:
            return window
        x = np.clip(instants / EASE, 0, 1)[:, None]
        share = np.where(instants[:, None] < 0, 1.0, x * x * (3 - 2 * x)).astype(np.float32)
        return dataclasses.replace(window, rows=origin + share * (window.rows - origin))

    def _run(self, frames: Sequence[Frame], thrifty: bool) -> Sequence[Frame]:
        for stage in self._stages:
            if not (thrifty and getattr(stage, "restores", False)):
                frames = self._push(stage, frames)
        return frames

    @staticmethod
    def _push(stage: FrameStage, frames: Sequence[Frame]) -> list[Frame]:
        return [out for frame in frames for out in stage.push(frame)]

    def _finish(self, frame: Frame) -> Picture:
        picture = self._colour(frame) if frame.planes is None else reference_colour.finished(frame)
        return dataclasses.replace(picture, duration=self._duration)

    def _remember(self, pictures: list[Picture]) -> list[Picture]:
        if pictures:
            self._previous = pictures[-1]
        return pictures

    def _with_between(self, pictures: list[Picture]) -> list[Picture]:
        out: list[Picture] = []
        for picture in pictures:
            before = self._previous
            gap = 0 if before is None else picture.pts - before.pts
            if gap == 2 * self._duration:
                middle = reference_colour.between(before, picture, before.pts + self._duration)
                out.append(dataclasses.replace(middle, duration=self._duration))
            out.append(picture)
            self._previous = picture
        return out


def _add(rows: NDArray[np.float32], overlay: NDArray[np.float32]) -> NDArray[np.float32]:
    out = rows + overlay
    np.clip(out[:, : len(ARKIT)], 0, 1, out=out[:, : len(ARKIT)])
    return out
