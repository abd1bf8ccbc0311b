"""What the lip-sync animators share: a source that plays by itself, its mouth redrawn where there is speech."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from limner.cuda.lane import Lane, open_lane
from limner.engine.errors import ContractError
from limner.engine.protocols import FrameStage
from limner.engine.types import FeatureWindow, Frame, Portrait
from limner.models import paste
from limner.models.avatar import Avatar
from limner.models.devices import choose
from limner.models.drawing import Drawing, Live
from limner.models.idleclip import IdleClip
from limner.models.joined import Asked, Joined, join
from limner.models.options import FaceOptions
from limner.models.planes import Seat
from limner.models.rest import speaking
from limner.models.weights import load_weights, missing_weights


class RedrawnMouth:
    """An animator around a `Drawing`, without what tells one network from another: `window`, `sit` and `_heard`.

    `clip` replaces the portrait by an idle clip, played forwards and back; without one the embedded face draws such a
    clip from the photo, with `liveliness` in [0, 1] (0: the photo stands still).
    """

    window = (0, 0)                          # each network's own

    def __init__(self, drawing: Drawing, size: int, clip: Path | None, seed: int, liveliness: float) -> None:
        self.size = (size, size)
        self._drawing = drawing
        self._clip_path, self._seed, self._liveliness = clip, seed, liveliness
        self._clip: IdleClip | None = None
        self._seats: list[Seat] | None = None

    def sit(self, portrait: Portrait, background: NDArray[np.uint8] | None = None) -> None:
        """Encode the portrait, or the idle clip where one was given, and `_take` it."""
        raise NotImplementedError

    def sit_avatar(self, avatar: Avatar) -> None:
        """Seat an avatar's portrait before its own background."""
        self.sit(avatar.portrait, avatar.background)

    def _take(self, clip: IdleClip, sources: list[Any], patches: list[paste.Patch]) -> None:
        """Draw from now on with a clip, its frames encoded and where their mouths go."""
        self._seats = self._drawing.seats(clip.frames, patches) if self._drawing.finishes else None
        self._sources, self._patches, self._clip = sources, patches, clip

    def _heard(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """A window's rows as the network takes them. Raises ContractError for rows of another extractor."""
        raise NotImplementedError

    def draw(self, window: FeatureWindow) -> Frame:
        """The source frame of this instant with the mouth of this sound; the source's own mouth in silence."""
        number, shown = self._at(window)
        picture = self._clip.frames[number]
        if shown > 0:
            picture = paste.blend(picture, self._patches[number], self.mouth(number, window.rows), shown)
        return Frame(picture, window.pts, 0, window.captured_ns)

    def draw_planes(self, window: FeatureWindow) -> Frame:
        """As `draw`, but where the drawing finishes pictures on its device, a mouth that speaks comes as `planes` alone."""
        number, shown = self._at(window)
        if shown == 0 or self._seats is None:
            return self.draw(window)
        heard = self._heard(window.rows)
        planes = self._drawing.planes(self, self._sources[number], heard, self._seats[number], shown)
        return Frame(None, window.pts, 0, window.captured_ns, planes=planes)

    def join(self, stages: Sequence[FrameStage]) -> Joined | None:
        """The mouth and these stages as one step on the device, where the drawing finishes pictures there; else None."""
        if self._seats is None:
            return None
        return join(self._drawing, self._clip, self._asked, stages)

    def _asked(self, window: FeatureWindow) -> Asked:
        number, shown = self._at(window)
        return Asked(number, self._sources[number], self._heard(window.rows), self._seats[number], shown)

    def _at(self, window: FeatureWindow) -> tuple[int, float]:
        """Number of the source frame of this instant, and how much of a drawn mouth it shows."""
        if self._clip is None:
            raise ContractError("draw before sit; seat a portrait first")
        return self._clip.at(window.pts), speaking(window)

    def mouth(self, number: int, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """The network's picture of source frame `number` for a window's rows: f32 [H, W, 3] RGB, 0..255."""
        return self._drawing.draw(self, self._sources[number], self._heard(rows))

    def reset(self) -> None:
        """Nothing is remembered between drawings."""


def load_drawing(options: FaceOptions, name: str, build: Callable[[], nn.Module], live: Callable[..., Live],
                 *, shared: bool) -> Drawing:
    """The network `name` with `options.weights` on its device. Raises WeightsError when there are none or another's."""
    if options.weights is None:
        raise missing_weights(name, "choose `--animator morphable`, which needs none")
    lane = open_lane(choose(options.device))
    return on_lane(load_weights(build(), options.weights, name), live, lane, shared=shared, half=options.half)


def on_lane(network: nn.Module, live: Callable[..., Live], lane: Lane, *, shared: bool = False, half: bool = False) -> Drawing:
    """A loaded network drawn with on `lane`. `half`: what may be runs in 16 bits, those of the device."""
    dtype = torch.float32 if not half else torch.bfloat16 if lane.device == "cpu" else torch.float16
    return Drawing(lambda: live(network.to(lane.device), dtype=dtype), lane, shared=shared, dtype=dtype)
