"""A session's redrawn mouth with the stages behind it: what `chain` records, from picture to picture.

The interpolator's grid of instants, its cuts and holes are those of `retiming`, over planes that are on the host anyway.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from limner.engine.clock import TICKS
from limner.engine.protocols import FrameStage
from limner.engine.types import FeatureWindow, Frame
from limner.models import planes
from limner.models.amt.live import LiveAMT, encode, recentred
from limner.models.chain import HALF, Chained
from limner.models.drawing import After, Drawing
from limner.models.idleclip import IdleClip
from limner.models.interpolators.amt import AmtStage
from limner.models.planes import Seat
from limner.models.restoration.align import five_points
from limner.models.restoration.governor import Way
from limner.models.restoration.live import RestorationStage
from limner.models.restoration.recorded import Held, place
from limner.models.restoration.runner import Runner
from limner.models.retiming import RetimingStage, shrunk

log = logging.getLogger("limner")


@dataclass(frozen=True, slots=True)
class Asked:
    """What a mouth has to be drawn from at one instant."""

    number: int                                  # of the source frame
    source: Any                                  # the same, encoded
    heard: NDArray[np.float32]
    seat: Seat
    shown: float                                 # of the drawn mouth, 0..1


class Bridge(RetimingStage):
    """The grid over I420 planes [H 3/2, W] in the place of pixels. `middle` is what was drawn half way to the frame pushed
    next; what is due elsewhere, after frames that were left out, fades between the three."""

    middle: NDArray[np.uint8]

    def between(self, first: NDArray[np.uint8], second: NDArray[np.uint8], times: Sequence[float]) -> list[NDArray[np.uint8]]:
        return [self._at_time(first, second, t) for t in times]

    def _at_time(self, first: NDArray[np.uint8], second: NDArray[np.uint8], t: float) -> NDArray[np.uint8]:
        if t == HALF:
            return self.middle
        a, b, part = (first, self.middle, t / HALF) if t < HALF else (self.middle, second, t / HALF - 1)
        return cv2.addWeighted(a, 1 - part, b, part, 0)

    @staticmethod
    def _thumbnail(frame: Frame) -> NDArray[np.float32]:
        """[32, 32] grey levels in 0..255 of the luma plane."""
        luma = frame.pixels[:len(frame.pixels) * 2 // 3]
        return (shrunk(luma).astype(np.float32) - 16) * np.float32(255 / 219)


class Following:
    """One session's interpolator where its pictures are drawn: the maps of the picture before, under the mean `mean`.

    The mean is that of the source frames (redrawing a mouth moves it by less than the `drift` allowed), so that nobody has to
    ask the device for it.
    """

    def __init__(self, live: LiveAMT, frames: NDArray[np.uint8], upload: Callable[[NDArray], Tensor]) -> None:
        self.network, self._drift = live.network, live.drift
        self._means = [float(np.mean(cv2.mean(frame)[:3])) / 255 for frame in frames]
        self.mean = self._means[0]
        with torch.inference_mode():
            maps = encode(self.network, upload(frames[:1]), upload(np.float32([self.mean])))
            self.maps = tuple(each.clone() for each in maps)         # places of our own, in their layout

    def astray(self, number: int) -> bool:
        """Whether source frame `number` asks for another mean."""
        return abs(self._means[number] - self.mean) > self._drift

    @torch.inference_mode()
    def centre(self, number: int) -> None:
        """Take off the mean of source frame `number` from now on: the maps of the picture before are made anew."""
        for own, new in zip(self.maps, recentred(self.network, self.maps, self._means[number] - self.mean), strict=True):
            own.copy_(new)
        self.mean = self._means[number]


class Joined:
    """`engine.protocols.Joined` of a redrawn mouth. `ask` tells what a window asks for, `clip` is what is shown.

    Tensors are laid on the device, and steps recorded, when the first picture is asked for: at a session's warm-up.
    """

    def __init__(self, drawing: Drawing, clip: IdleClip, ask: Callable[[FeatureWindow], Asked],
                 restoration: RestorationStage | None, interpolation: AmtStage | None) -> None:
        self._drawing, self._clip, self._ask = drawing, clip, ask
        self._restoration, self._interpolation = restoration, interpolation
        self._restoring: Held | None = None
        self._following: Following | None = None
        self._bridge = None if interpolation is None else Bridge(Fraction(TICKS, interpolation.step), factor=interpolation.factor)
        self._ready = False
        self._bare_ns = 0                        # what a picture takes that is not restored

    def draw(self, window: FeatureWindow, *, duration: int, generation: int, thrifty: bool) -> list[Frame]:
        """The frames now complete, with planes alone. `thrifty` leaves the restorer out. DeviceError when memory runs out."""
        asked = self._ask(window)
        if not self._ready:
            self._prepare(asked)
        way, numbers = (Way.PASS, ()) if self._restoring is None or thrifty else self._restoring.next()
        drawn = self._picture(asked, way, numbers)
        frame = Frame(drawn[-1], window.pts, duration, window.captured_ns, generation=generation)
        if self._bridge is None:
            return [_finished(frame)]
        self._bridge.middle = drawn[0]
        return [_finished(each) for each in self._bridge.push(frame)]

    def flush(self) -> list[Frame]:
        """What is held back, repeated to its end; the next frame is a new picture."""
        if self._restoring is not None:
            self._restoring.restart()
        return [] if self._bridge is None else [_finished(each) for each in self._bridge.flush()]

    def _picture(self, asked: Asked, way: Way, numbers: tuple[float, ...]) -> NDArray[np.uint8]:
        """Planes [k, H 3/2, W] of this picture and the one before it; the governor hears what restoring took."""
        if self._following is not None and self._following.astray(asked.number):
            self._drawing.lane.call(lambda: self._following.centre(asked.number))
        after = self._after(asked, way, numbers)
        stage = self._restoration
        began = stage.now_ns() if stage else 0
        drawn = self._drawing.after(self, asked.source, asked.heard, after)
        if way in (Way.MOUTH, Way.WHOLE):
            stage.governor.spent(max(0, stage.now_ns() - began - self._bare_ns))
        return drawn

    def _after(self, asked: Asked, way: Way, numbers: tuple[float, ...]) -> After:
        """The recipe and what it takes of this session."""
        restoring, following = self._restoring if way is not Way.PASS else None, self._following
        tensors, kept, told = planes.tensors(asked.seat), (), (asked.shown, *numbers)
        if restoring is not None:
            tensors, kept = (*tensors, *restoring.tensors(asked.number)), restoring.memory
        if following is not None:
            tensors, kept, told = (*tensors, *following.maps), (*kept, *following.maps), (*told, following.mean, HALF)
        recipe = Chained(asked.seat.size, way, restoring and restoring.restorer, following and following.network, self._drawing.dtype)
        return After(recipe, tensors, told, kept)

    def _prepare(self, asked: Asked) -> None:
        """Everything slow: lay what the stages need on the device, record every step there may be."""
        drawing, lane = self._drawing, self._drawing.lane
        if self._restoration is not None:
            self._restoring = lane.call(lambda: Held(self._restoration, self._places(lane.upload)))
        if self._interpolation is not None:
            self._following = lane.call(lambda: Following(self._interpolation.live, self._clip.frames, lane.upload))
        ways = [] if self._restoring is None else [(way, (0.0, 0.0, 1.0)) for way in self._restoring.ways]
        for way, numbers in [(Way.PASS, ()), *ways]:
            drawing.prepare(asked.source, asked.heard, self._after(asked, way, numbers))
        if self._restoration is not None and self._restoration.governor.budget is not None:
            self._picture(asked, Way.PASS, ())
            began = self._restoration.now_ns()
            self._picture(asked, Way.PASS, ())
            self._bare_ns = self._restoration.now_ns() - began
        self._ready = True

    def _places(self, upload: Callable[[NDArray], Tensor]) -> list:
        """Where the face is: in all source frames where the stage was told, else in each by its landmarks."""
        size, layout = self._clip.frames.shape[1:3], self._restoration.restorer.layout
        told = self._restoration.seated(*size)
        points = map(five_points, self._clip.landmarks) if told is None else [told]
        return [place(five, size, layout, upload) for five in points]


def _finished(frame: Frame) -> Frame:
    return replace(frame, pixels=None, planes=frame.pixels)


def join(drawing: Drawing, clip: IdleClip, ask: Callable[[FeatureWindow], Asked], stages: Sequence[FrameStage]) -> Joined | None:
    """The mouth and `stages` as one step, or None with a line in the log that says what keeps a stage for itself."""
    restoration = next((each for each in stages if isinstance(each, RestorationStage)), None)
    interpolation = next((each for each in stages if isinstance(each, AmtStage)), None)
    why = _apart(drawing, stages, restoration, interpolation)
    if why:
        log.info("pictures pass their stages on the host: %s", why)
        return None
    return Joined(drawing, clip, ask, restoration, interpolation)


def _apart(drawing: Drawing, stages: Sequence[FrameStage], restoration: RestorationStage | None,
           interpolation: AmtStage | None) -> str:
    """Why the stages cannot join the drawing; nothing where they can."""
    others = [type(each).__name__ for each in stages if each is not restoration and each is not interpolation]
    if others:
        return f"{others[0]} draws there"
    if restoration is not None and not isinstance(restoration.restorer.whole, Runner):
        return "the restorer is not a network of ours"
    if restoration is not None and interpolation is not None and list(stages) != [restoration, interpolation]:
        return "the restorer comes after the interpolator"
    devices = {drawing.lane.device} | ({restoration.restorer.whole.device} if restoration else set())
    devices |= {interpolation.live.device} if interpolation else set()
    return "" if len(devices) == 1 else f"they are on {', '.join(sorted(devices))}"
