"""AMT on a stream: nothing is computed twice, and only where something moves.

Features of a frame serve the pair before and the pair behind it; several instants of one pair share features and
correlation. Where the rest of the picture is still, the network sees the moving box with a margin; outside it pixels
are the frames' own, and the margin fades between the two. On a GPU the network is recorded, which asks for fixed shapes:
it sees whole pictures there.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from limner.cuda.graph import Graphed
from limner.cuda.lane import open_lane
from limner.models.devices import enough_memory

from .network import AMT, LEAST, Features, padding

STILL = 2                                        # levels of 255 by which still pixels may differ
DRIFT = 1 / 255                                  # change of mean brightness below which features are kept
MARGIN = 32                                      # px around what moves: context for the network, room to fade
ROOMY = 25                                       # pairs a box may be twice too large before it is drawn anew


@dataclass(frozen=True, slots=True)
class Box:
    top: int
    left: int
    bottom: int
    right: int

    @property
    def area(self) -> int:
        return (self.bottom - self.top) * (self.right - self.left)

    def holds(self, other: "Box") -> bool:
        return (self.top <= other.top and self.left <= other.left
                and self.bottom >= other.bottom and self.right >= other.right)

    def of(self, picture: NDArray) -> NDArray:
        return picture[self.top:self.bottom, self.left:self.right]


def moving(first: NDArray[np.uint8], second: NDArray[np.uint8], still: int = STILL) -> Box | None:
    """The smallest box holding every pixel that changes by more than `still` levels; None where nothing does."""
    change = cv2.absdiff(first, second)
    rows = np.flatnonzero(change.max(axis=(1, 2)) > still)
    if not len(rows):
        return None
    columns = np.flatnonzero(change.max(axis=0).max(axis=1) > still)
    return Box(int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1)


def grown(box: Box, height: int, width: int, margin: int = MARGIN) -> Box:
    """`box` with a margin, sides multiples of 16 and at least 128 px, kept inside the picture."""
    top, bottom = _span(box.top, box.bottom, height, margin)
    left, right = _span(box.left, box.right, width, margin)
    return Box(top, left, bottom, right)


def _span(begin: int, end: int, limit: int, margin: int) -> tuple[int, int]:
    length = max(LEAST, -(-(end - begin + 2 * margin) // 16) * 16)
    if length >= limit:
        return 0, limit
    start = min(max(0, (begin + end - length) // 2), limit - length)
    return start, start + length


def fade(inner: Box, outer: Box, height: int, width: int) -> NDArray[np.float32]:
    """[outer height, outer width, 1] weights: 1 in `inner`, falling to 0 at the edge of `outer` where picture lies beyond."""
    rows = _ramp(inner.top - outer.top, outer.bottom - inner.bottom, outer.bottom - outer.top, outer.top > 0, outer.bottom < height)
    columns = _ramp(inner.left - outer.left, outer.right - inner.right, outer.right - outer.left, outer.left > 0, outer.right < width)
    return (rows[:, None] * columns)[..., None]


def _ramp(before: int, after: int, length: int, rises: bool, falls: bool) -> NDArray[np.float32]:
    at = np.arange(length, dtype=np.float32) + 0.5
    up = at / max(before, 0.5) if rises else np.ones_like(at)
    down = (length - at) / max(after, 0.5) if falls else np.ones_like(at)
    return np.minimum(np.minimum(up, down), 1)


class LiveAMT:
    """`between` of a stage. `drift` 0 centres every pair on its own mean, exactly as published, at the price of reuse.
    `region` chooses between what moves and whole pictures; by default what moves on the CPU only.

    `encoded` and `pairs` count work done; the features of one frame and one box are kept, never more.
    """

    def __init__(self, network: AMT, device: str = "cpu", *, still: int = STILL, drift: float = DRIFT, region: bool | None = None):
        self._lane, self.device = open_lane(device), device
        layout = torch.channels_last if device == "cpu" else torch.contiguous_format
        self.network = network.eval().to(device, memory_format=layout)
        self.still, self.drift, self.region = still, drift, device == "cpu" if region is None else region
        self.encoded = self.pairs = 0
        self._shape: tuple[int, int] | None = None       # what the steps are recorded for
        self._encoder = self._recorded(self.encode)
        self._drawers: dict[int, Graphed] = {}           # by the number of instants
        self.forget()

    def _recorded(self, step) -> Graphed:
        return Graphed(step, sizes=(1,), constants=partial(self.network.state_dict, keep_vars=True))

    def forget(self) -> None:
        """Drop features, box and brightness."""
        self._box: Box | None = None
        self._roomy = 0
        self._mean: float | None = None
        self._kept: tuple[NDArray[np.uint8], tuple[Tensor, ...]] | None = None

    def ready(self, height: int, width: int, instants: int = 1) -> None:
        """Have all that is slow the first time behind us, where whole pictures are drawn: before one of them is due."""
        if not self.region and self._shape != (height, width):
            counts = self.encoded, self.pairs
            black = np.zeros((height, width, 3), np.uint8)
            self.between(black, ~black, [0.5] * instants)
            self.encoded, self.pairs = counts
            self.forget()

    def between(self, first: NDArray[np.uint8], second: NDArray[np.uint8], times: Sequence[float]) -> list[NDArray[np.uint8]]:
        """Pictures [H, W, 3] at `times` within (0, 1). DeviceError when memory runs out."""
        moved = moving(first, second, self.still)
        if moved is None or not times:
            return [first if t < 0.5 else second for t in times]
        box = self._choose(moved, *first.shape[:2])
        with enough_memory(self._lane.device):
            drawn, = self._lane.fitting(lambda pairs: [self._draw(*each, box, times) for each in pairs], [(first, second)])
        weight = fade(moved, box, *first.shape[:2])
        return [self._compose(first, second, t, box, weight, picture) for t, picture in zip(times, drawn, strict=True)]

    def _choose(self, moved: Box, height: int, width: int) -> Box:
        """The box to compute: the one before while it fits, so that kept features stay of use."""
        if not self.region:
            return Box(0, 0, height, width)
        fresh = grown(moved, height, width)
        inside = self._box is not None and self._box.holds(grown(moved, height, width, MARGIN // 2))
        self._roomy = self._roomy + 1 if inside and self._box.area > 2 * fresh.area else 0
        if not inside or self._roomy > ROOMY:
            self._box, self._kept, self._roomy = fresh, None, 0
        return self._box

    def _draw(self, first: NDArray[np.uint8], second: NDArray[np.uint8], box: Box, times: Sequence[float]) -> NDArray[np.float32]:
        """The network's own pictures of the box, [n, h, w, 3] in 0..255."""
        a, b = np.ascontiguousarray(box.of(first)), np.ascontiguousarray(box.of(second))
        self._fit(*a.shape[:2])
        mean = float(np.mean([cv2.mean(a)[:3], cv2.mean(b)[:3]])) / 255
        if self._mean is None or abs(mean - self._mean) > self.drift:
            self._mean, self._kept = mean, None
        kept = self._kept is not None and self._kept[0] is first
        before = self._kept[1] if kept else self._encode(a)
        after = self._encode(b)
        self._kept = second, after
        self.pairs += 1
        drawer = self._drawers.setdefault(len(times), self._recorded(self.synthesize))
        drawn = self._lane.download(drawer(*before, *after, *map(self._number, ([self._mean], [times]))))[0]
        left, right, top, bottom = padding(*a.shape[:2])
        return drawn[:, top:drawn.shape[1] - bottom, left:drawn.shape[2] - right]

    def _fit(self, height: int, width: int) -> None:
        """Begin the steps anew where the size is another one."""
        if self._shape != (height, width):
            self._encoder.forget()
            self._drawers.clear()
            self._shape = height, width

    def _number(self, values: Sequence) -> Tensor:
        return self._lane.upload(np.array(values, np.float32))

    def _encode(self, picture: NDArray[np.uint8]) -> tuple[Tensor, ...]:
        self.encoded += 1
        maps = self._encoder(self._lane.upload(picture[None]), self._number([self._mean]))
        return maps if self._lane.device == "cpu" else tuple(each.clone() for each in maps)      # kept beyond the next call

    def encode(self, picture: Tensor, mean: Tensor) -> tuple[Tensor, ...]:
        """`encode` with this network."""
        return encode(self.network, picture, mean)

    def synthesize(self, *inputs: Tensor) -> Tensor:
        """`synthesize` with this network."""
        return synthesize(self.network, *inputs)

    @staticmethod
    def _compose(first: NDArray[np.uint8], second: NDArray[np.uint8], t: float, box: Box, weight: NDArray[np.float32],
                 drawn: NDArray[np.float32]) -> NDArray[np.uint8]:
        """The frames' own mean everywhere, the network's picture faded into it within the box."""
        out = cv2.addWeighted(first, 1 - t, second, t, 0)
        inside = box.of(out)
        inside[:] = np.rint(inside + weight * (drawn - inside))
        return out


@torch.inference_mode()
def encode(network: AMT, picture: Tensor, mean: Tensor) -> tuple[Tensor, ...]:
    """u8 [n, h, w, 3] and the mean [n] to be taken off -> the parts of its `Features`. Fit to be recorded."""
    x = F.pad(picture.permute(0, 3, 1, 2).float() / 255, padding(*picture.shape[1:3]), mode="replicate")
    return _parts(network.encode(x - mean.view(-1, 1, 1, 1)))


@torch.inference_mode()
def recentred(network: AMT, maps: Sequence[Tensor], less: float) -> tuple[Tensor, ...]:
    """What `encode` gives of the same picture when `less` is taken off besides."""
    return _parts(network.encode(maps[0] - less))


def _parts(features: Features) -> tuple[Tensor, ...]:
    return features.image, features.correlation, *features.content


@torch.inference_mode()
def synthesize(network: AMT, *inputs: Tensor) -> Tensor:
    """What `encode` gave for two pictures, their mean [n] and instants [n, k] -> [n, k, h, w, 3] in 0..255, with the
    padding. Fit to be recorded."""
    *maps, mean, times = inputs
    half = len(maps) // 2
    first, second = (Features(*part[:2], list(part[2:])) for part in (maps[:half], maps[half:]))
    pair = network.pair(first, second, mean.view(-1, 1, 1, 1))
    drawn = [network.synthesize(pair, times[:, k]) for k in range(times.shape[1])]
    return torch.stack(drawn, 1).permute(0, 1, 3, 4, 2) * 255


@torch.inference_mode()
def follow(network: AMT, picture: Tensor, mean: Tensor, times: Tensor, *before: Tensor) -> tuple[Tensor, ...]:
    """Pictures u8 [n, 3, h, w] after those whose maps are `before`, under the same mean [n]: u8 [n, k, 3, h, w] in between
    at `times` [n, k], then the maps of these. Where nothing moves, what is in between is the picture. Fit to be recorded."""
    after = encode(network, picture.permute(0, 2, 3, 1), mean)
    left, right, top, bottom = padding(*picture.shape[-2:])
    drawn = synthesize(network, *before, *after, mean, times)
    drawn = drawn[:, :, top:drawn.shape[2] - bottom, left:drawn.shape[3] - right].permute(0, 1, 4, 2, 3)
    moved = (after[0] - before[0]).abs().amax((1, 2, 3)) * 255 > STILL + 0.5         # of whole levels; their f32 may round
    return torch.where(moved.view(-1, 1, 1, 1, 1), drawn.round().to(torch.uint8), picture[:, None]), *after
