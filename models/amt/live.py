"""AMT on a stream: nothing is computed twice, and only where something moves.

Features of a frame serve the pair before and the pair behind it; several instants of one pair share features and
correlation. Where the rest of the picture is still, the network sees the moving box with a margin; outside it pixels
are the frames' own, and the margin fades between the two.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from .network import AMT, LEAST, Features, crop, padding

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

    `encoded` and `pairs` count work done; the features of one frame and one box are kept, never more.
    """

    def __init__(self, network: AMT, device: str = "cpu", *, still: int = STILL, drift: float = DRIFT, region: bool = True):
        layout = torch.channels_last if device == "cpu" else torch.contiguous_format
        self.network = network.eval().to(device, memory_format=layout)
        self.device, self.still, self.drift, self.region = device, still, drift, region
        self.encoded = self.pairs = 0
        self.forget()

    def forget(self) -> None:
        """Drop features, box and brightness."""
        self._box: Box | None = None
        self._roomy = 0
        self._mean: float | None = None
        self._kept: tuple[NDArray[np.uint8], Features] | None = None

    @torch.inference_mode()
    def between(self, first: NDArray[np.uint8], second: NDArray[np.uint8], times: Sequence[float]) -> list[NDArray[np.uint8]]:
        """Pictures [H, W, 3] at `times` within (0, 1)."""
        moved = moving(first, second, self.still)
        if moved is None:
            return [first if t < 0.5 else second for t in times]
        box = self._choose(moved, *first.shape[:2])
        pair = self._pair(first, second, box)
        border = padding(box.bottom - box.top, box.right - box.left)
        weight = fade(moved, box, *first.shape[:2])
        return [self._compose(first, second, t, box, weight, crop(self._synthesize(pair, t), border)) for t in times]

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

    def _pair(self, first: NDArray[np.uint8], second: NDArray[np.uint8], box: Box):
        a, b = np.ascontiguousarray(box.of(first)), np.ascontiguousarray(box.of(second))
        mean = float(np.mean([cv2.mean(a)[:3], cv2.mean(b)[:3]])) / 255
        if self._mean is None or abs(mean - self._mean) > self.drift:
            self._mean, self._kept = mean, None
        kept = self._kept is not None and self._kept[0] is first
        before = self._kept[1] if kept else self._encode(a)
        after = self._encode(b)
        self._kept = second, after
        self.pairs += 1
        return self.network.pair(before, after, torch.full((1, 1, 1, 1), self._mean, device=self.device))

    def _encode(self, picture: NDArray[np.uint8]) -> Features:
        self.encoded += 1
        x = torch.from_numpy(picture).to(self.device).permute(2, 0, 1)[None].float() / 255
        x = F.pad(x, padding(*picture.shape[:2]), mode="replicate") - self._mean
        return self.network.encode(x)

    def _synthesize(self, pair, t: float) -> Tensor:
        return self.network.synthesize(pair, torch.tensor([t], device=self.device))

    @staticmethod
    def _compose(first: NDArray[np.uint8], second: NDArray[np.uint8], t: float, box: Box, weight: NDArray[np.float32],
                 drawn: Tensor) -> NDArray[np.uint8]:
        """The frames' own mean everywhere, the network's picture faded into it within the box."""
        out = cv2.addWeighted(first, 1 - t, second, t, 0)
        inside = box.of(out)
        picture = (drawn[0].permute(1, 2, 0) * 255).cpu().numpy()
        inside[:] = np.rint(inside + weight * (picture - inside))
        return out
