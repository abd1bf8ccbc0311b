"""A restorer on a stream: one face, aligned, restored as far as the budget allows, steadied and laid back.

What the network adds to a frame (its residual) is kept in the aligned face, where a moving head stands still. Frames
and regions it is not run on reuse the residual where the picture has not changed. Its share rises and falls over
several frames, so that a change of mode is a fade, never a jump.
"""

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numba import njit
from numpy.typing import NDArray

from limner.engine.clock import MonotonicClock
from limner.engine.types import Frame

from . import align
from .align import SIZE, Alignment, Feather
from .governor import Governor, Mode, Plan, Way

Box = tuple[int, int, int, int]                  # top, left, bottom, right in the aligned face
WHOLE: Box = (0, 0, SIZE, SIZE)
MOUTH: Box = (304, 160, 448, 352)                # on the FFHQ template
RISE = 1 / 8                                     # share gained per frame: a region fades in over eight
FALL = 0.85                                      # kept per frame where the network no longer runs
STILL = 3.0                                      # grey levels of change up to which the picture counts as unchanged
MOVING = 9.0                                     # and from which on it is another picture
STEADY = 0.6                                     # of the frame before kept where the picture is unchanged
NEGLIGIBLE = 0.02                                # share below which nothing is seen


@dataclass(frozen=True, slots=True)
class Restorer:
    """A face network as the live path sees it: aligned u8 RGB [512, 512, 3] in, the same out.

    `mouth` draws `MOUTH` alone at `mouth_cost` of a whole face, for networks whose work can be cut to a region.
    """

    whole: Callable[[NDArray[np.uint8]], NDArray[np.uint8]]
    layout: str = "ffhq"
    border: tuple[int, int, int] = align.BORDER
    mouth: Callable[[NDArray[np.uint8]], NDArray[np.uint8]] | None = None
    mouth_cost: float | None = None


class RestorationStage:
    """Frame stage. `budget_ms` per frame on average, None for no limit; `find` gives five face points or None.

    `seat` fixes where the face is; without it `find` is asked every `every` frames. A frame without a face passes
    unchanged.
    """

    delay = 0
    restores = True

    def __init__(self, restorer: Restorer, *, budget_ms: float | None = None, every: int = 12,
                 find: Callable[[NDArray[np.uint8]], NDArray | None] | None = None, now_ns: Callable[[], int] | None = None):
        self.restorer, self._find, self.every = restorer, find, every
        self.now_ns = now_ns or MonotonicClock().now_ns
        self.governor = Governor(None if budget_ms is None else budget_ms * 1e6, restorer.mouth_cost)
        self._seated: tuple[NDArray, tuple[int, int]] | None = None
        self.counts = dict.fromkeys(Mode, 0)
        self.restored = 0                        # frames that were changed, for reports
        self._begin()

    def _begin(self) -> None:
        self._since = 0
        self._started = False                                        # anything shown restored yet
        self._five: NDArray | None = None
        self._place: tuple[Alignment, Feather] | None = None
        self._memory: Memory | None = None
        self.governor.restart()

    def seat(self, landmarks: NDArray, size: tuple[int, int]) -> None:
        """The face stays near `landmarks` [478, 2 or 3] px of a picture of `size` (H, W)."""
        self._seated = align.five_points(landmarks), size
        self._begin()

    def measure(self) -> None:
        """Run once on grey, so that the first frames, and the first after a change of mode, already keep to the budget."""
        grey = np.full((SIZE, SIZE, 3), 128, np.uint8)
        self.restorer.whole(grey)                                   # whatever is slow the first time
        if self.restorer.mouth:
            self.restorer.mouth(grey)
        began = self.now_ns()
        self.restorer.whole(grey)
        self.governor.settle(self.now_ns() - began)

    def push(self, frame: Frame) -> Sequence[Frame]:
        """The frame, restored as planned."""
        began = self.now_ns()
        plan = self.governor.plan()
        self.counts[plan.mode] += 1
        if plan.mode is Mode.OFF and (self._memory is None or self._memory.faded):
            self._memory = None
            return [frame]
        place = self._locate(np.asarray(frame.pixels))
        if place is None:
            self._memory = None
            return [frame]
        pixels = self._restore(np.asarray(frame.pixels), *place, plan)
        self.restored += 1
        if plan.compute:
            self.governor.spent(self.now_ns() - began)
        return [dataclasses.replace(frame, pixels=pixels)]

    def flush(self) -> Sequence[Frame]:
        """Nothing is held back; the next frame is a new picture."""
        self._begin()
        return []

    def _restore(self, picture: NDArray[np.uint8], alignment: Alignment, mask: Feather, plan: Plan) -> NDArray[np.uint8]:
        face = align.crop(picture, alignment, self.restorer.border)
        memory = self._memory = self._memory or Memory(share=float(not self._started))
        self._started = True
        match plan.way(self.restorer.mouth is not None):
            case Way.WHOLE:
                better = memory.renew(face, self.restorer.whole(face), WHOLE, plan.gentle)
            case Way.MOUTH:
                better = memory.renew(face, self.restorer.mouth(face), MOUTH, plan.gentle)
            case Way.REUSE:
                better = memory.reuse(face, WHOLE if self.restorer.mouth is None else MOUTH)
            case _:
                better = memory.wane(face)
        return align.paste(picture, better, alignment, mask)

    def _locate(self, picture: NDArray[np.uint8]) -> tuple[Alignment, Feather] | None:
        """Alignment and mask, found anew now and then."""
        height, width = picture.shape[:2]
        due = self._place is None or (self._seated is None and self._since >= self.every)
        self._since += 1
        if due:
            self._since = 1
            five = self.seated(height, width) if self._seated else self._follow(picture)
            if five is None:
                self._place = None
            elif self._five is None or self._place is None or not np.array_equal(five, self._five):
                alignment = align.align(five, self.restorer.layout)
                self._place = alignment, align.feather(alignment, height, width)
            self._five = five
        return self._place

    def seated(self, height: int, width: int) -> NDArray | None:
        """The five points [5, 2] px `seat` told, of a picture of this size; None where it was not told."""
        if self._seated is None:
            return None
        five, (was_high, was_wide) = self._seated
        return five * (width / was_wide, height / was_high)

    def _follow(self, picture: NDArray[np.uint8]) -> NDArray | None:
        """The detector's points, steadied; small changes are taken for its noise."""
        five = None if self._find is None else self._find(picture)
        if five is None or self._five is None:
            return five
        moved = float(np.linalg.norm(five - self._five, axis=1).max())
        eyes = float(np.linalg.norm(five[1] - five[0]))
        if moved < 0.02 * eyes:
            return self._five
        return five if moved > 0.15 * eyes else 0.5 * (five + self._five)


class Memory:
    """The aligned face before, what was shown for it, and what the network last added to it.

    `share`: how much of the network's work the first picture shows; below 1 it fades in.
    """

    def __init__(self, share: float) -> None:
        self._face: NDArray[np.float32] | None = None
        self._shown = np.zeros((SIZE, SIZE, 3), np.float32)
        self._residual = np.zeros((SIZE, SIZE, 3), np.float32)
        self._share = np.full((SIZE, SIZE, 1), share, np.float32)

    @property
    def faded(self) -> bool:
        """Whether nothing of the network's work is left to be seen."""
        return float(self._share.max()) < NEGLIGIBLE

    def renew(self, face: NDArray[np.uint8], drawn: NDArray[np.uint8], box: Box, gentle: bool) -> NDArray[np.uint8]:
        """The network drew `box` of `face` [SIZE, SIZE, 3] as `drawn`; the face to show.

        `gentle`, when every second frame is drawn: what moves gets half the residual in both, so that the pace at which
        the network runs does not show as a flicker.
        """
        top, left, bottom, right = box
        now = face.astype(np.float32)
        same = self._sameness(now)
        self._residual *= same
        self._residual[top:bottom, left:right] = drawn.astype(np.float32) - now[top:bottom, left:right]
        self._fade(box, RISE)
        return self._show(now, same, gentle)

    def reuse(self, face: NDArray[np.uint8], box: Box) -> NDArray[np.uint8]:
        """A frame in between, while `box` is restored on every second."""
        now = face.astype(np.float32)
        self._fade(box, 0.0)
        return self._show(now, self._sameness(now), gentle=True)

    def wane(self, face: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """A frame after the network was switched off: what is left of its work fades."""
        now = face.astype(np.float32)
        same = self._sameness(now)
        self._residual *= same
        self._share *= np.float32(FALL)
        return self._show(now, same, gentle=False)

    def _fade(self, box: Box, rise: float) -> None:
        """Let the share rise within `box` and fall elsewhere, with a soft edge between."""
        risen = np.minimum(self._share + np.float32(rise), 1)
        self._share = risen if box == WHOLE else np.maximum(self._share * np.float32(FALL), risen * _soft(box))

    def _sameness(self, now: NDArray[np.float32]) -> NDArray[np.float32]:
        """[SIZE, SIZE, 1]: 1 where the picture is as it was a frame ago, 0 where it is another one."""
        if self._face is None:
            return np.zeros((SIZE, SIZE, 1), np.float32)
        change = cv2.cvtColor(cv2.absdiff(now, self._face), cv2.COLOR_RGB2GRAY)
        change = cv2.blur(change, (7, 7))                            # noise of one pixel is not motion
        return np.clip((MOVING - change) / np.float32(MOVING - STILL), 0, 1)[..., None]

    def _show(self, now: NDArray[np.float32], same: NDArray[np.float32], gentle: bool) -> NDArray[np.uint8]:
        steady = STEADY if self._face is not None else 0.0
        out = np.empty(now.shape, np.uint8)
        _mix(now, self._residual, self._share[..., 0], same[..., 0], self._shown, out, gentle, np.float32(steady))
        self._face = now
        return out


@njit(cache=True, nogil=True, fastmath=True)
def _mix(now, residual, share, same, shown, out, gentle, steady):
    """shown <- the face with its share of the residual, held back where nothing moves; out <- the same, rounded."""
    height, width = share.shape
    for y in range(height):
        for x in range(width):
            part, hold = share[y, x], steady * same[y, x]
            if gentle:
                part *= np.float32(0.5) + np.float32(0.5) * same[y, x]
            for k in range(3):
                value = now[y, x, k] + part * residual[y, x, k]
                value += hold * (shown[y, x, k] - value)
                shown[y, x, k] = value
                out[y, x, k] = np.uint8(min(max(value, np.float32(0)), np.float32(255)) + np.float32(0.5))


def _soft(box: Box, edge: int = 24) -> NDArray[np.float32]:
    """[SIZE, SIZE, 1]: 1 inside `box`, falling to 0 at its edges over `edge` px."""
    top, left, bottom, right = box
    at = np.arange(SIZE, dtype=np.float32) + 0.5
    rows = np.clip(np.minimum(at - top, bottom - at) / edge, 0, 1)
    columns = np.clip(np.minimum(at - left, right - at) / edge, 0, 1)
    return (rows[:, None] * columns)[..., None]

