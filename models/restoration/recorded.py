"""A restorer in tensors: what `live` does to a frame, in fixed shapes and without a question to the host, so that it is
recorded as one step with what draws the picture before it.

`align` and `live.Memory` in PyTorch. Everything is float32 (places, and the memory because a residual is the small difference of
large numbers) but masks, which are half, and the network, which runs in the `dtype` asked for. Faces are whole levels wherever
the stage's are.
"""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from limner.models.planes import grid

from . import align
from .align import SIZE
from .governor import Plan, Way
from .live import FALL, MOUTH, MOVING, NEGLIGIBLE, RISE, STEADY, STILL, WHOLE, RestorationStage, Restorer

GREY = (0.299, 0.587, 0.114)                     # of R, G, B
NUMBERS = 3                                      # of a frame: `Held.next` says what they are


@dataclass(frozen=True, slots=True)
class Place:
    """Where the aligned face lies in a picture [H, W], every tensor [1, ...]."""

    to_picture: Tensor                           # f32 [1, 2, 3], px of the aligned face -> px of the picture
    to_crop: Tensor                              # f32 [1, 2, 3], the other way
    inner: Tensor                                # f16 [1, 1, H, W], where the warped face is whole
    soft: Tensor                                 # f16 [1, 1, H, W], how much of it is shown

    def tensors(self) -> tuple[Tensor, ...]:
        return self.to_picture, self.to_crop, self.inner, self.soft


PLACE = len(Place.__slots__)
MEMORY = ((3, SIZE, SIZE),) * 3 + ((1, SIZE, SIZE),)     # face before, face shown, residual, share: as in `live.Memory`
COUNT = PLACE + len(MEMORY)                      # tensors `restored` takes


def place(five: NDArray, size: tuple[int, int], layout: str, upload: Callable[[NDArray], Tensor]) -> Place:
    """Five points [5, 2] px of pictures of `size` (H, W), on the device `upload` copies to. Raises InputError as `align`."""
    alignment = align.align(five, layout)
    mask = align.feather(alignment, *size)
    top, left, bottom, right = mask.box
    whole = np.zeros((2, 1, 1, *size), np.float16)
    for each, part in zip(whole, (mask.inner, mask.soft), strict=True):
        each[0, 0, top:bottom, left:right] = part[..., 0]
    affines = (each[None].astype(np.float32) for each in (alignment.to_picture, alignment.to_crop))
    return Place(*(upload(each) for each in (*affines, *whole)))


def restored(restorer: Restorer, way: Way, dtype: torch.dtype, picture: Tensor, numbers: Tensor,
             *tensors: Tensor) -> tuple[Tensor, ...]:
    """Pictures u8 [n, 3, H, W], `NUMBERS` numbers f32 [n, 3], the tensors of their places and memories -> the pictures
    restored, then their memories anew. Fit to be recorded."""
    to_picture, to_crop, inner, soft, *memory = tensors
    face = cropped(picture, to_picture, restorer.border)
    shown, memory = remembered(face, drawn(restorer, way, dtype, face), way, restorer.mouth is not None, numbers, *memory)
    return pasted(picture, shown, to_crop, inner.float(), soft.float()), *memory


def cropped(picture: Tensor, to_picture: Tensor, border: Sequence[int]) -> Tensor:
    """The aligned faces of pictures u8 [n, 3, H, W]: f32 [n, 3, SIZE, SIZE] of whole levels; outside lies `border`."""
    outside = torch.stack([torch.full((1, 1), float(level), device=picture.device) for level in border])
    there = grid(to_picture, (SIZE, SIZE), picture.shape[-2:])
    return _levels(F.grid_sample(picture.float() - outside, there, align_corners=False) + outside)


def _levels(x: Tensor) -> Tensor:
    """Whole levels, halves upwards as OpenCV has them."""
    return (x + 0.5).floor()


def drawn(restorer: Restorer, way: Way, dtype: torch.dtype, face: Tensor) -> Tensor | None:
    """What the network makes of faces f32 [n, 3, SIZE, SIZE]: all, or `MOUTH` of it, f32; None where it does not run.

    In half precision weights are cast anew each time: what PyTorch would keep of a cast lies in memory a recording uses again.
    """
    if way not in (Way.WHOLE, Way.MOUTH):
        return None
    run = restorer.whole if way is Way.WHOLE else restorer.mouth
    with nullcontext() if dtype is torch.float32 else torch.autocast(face.device.type, dtype, cache_enabled=False):
        return run.step(face.permute(0, 2, 3, 1).to(torch.uint8)).permute(0, 3, 1, 2).float()


def remembered(now: Tensor, new: Tensor | None, way: Way, mouth: bool, numbers: Tensor, before: Tensor, shown: Tensor,
               residual: Tensor, share: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
    """`live.Memory`: faces f32 [n, 3, SIZE, SIZE] and what was drawn of them -> whole levels to show, f32, and the memory anew."""
    known, gentle, start = (numbers[:, k].view(-1, 1, 1, 1) for k in range(NUMBERS))
    same = _sameness(now, before) * known
    residual, share = residual * known, share * known + start * (1 - known)
    box = MOUTH if way is Way.MOUTH or (way is Way.REUSE and mouth) else WHOLE
    if way is not Way.REUSE:
        residual = residual * same
    if new is not None:
        top, left, bottom, right = box
        residual[..., top:bottom, left:right] = new - now[..., top:bottom, left:right]
    risen = share if new is None else (share + RISE).clamp(max=1)
    if way is Way.WANE:
        share = share * FALL
    else:
        share = risen if box == WHOLE else torch.maximum(share * FALL, risen * _soft(box, now))
    part = share * (1 - gentle * (0.5 - 0.5 * same))
    value = now + part * residual
    value = value + STEADY * same * (shown - value)
    return _levels(value.clamp(0, 255)), (now, value, residual, share)


def _sameness(now: Tensor, before: Tensor) -> Tensor:
    """[n, 1, SIZE, SIZE]: 1 where the picture is as it was a frame ago, 0 where it is another one."""
    apart = (now - before).abs()
    change = apart[:, :1] * GREY[0] + apart[:, 1:2] * GREY[1] + apart[:, 2:] * GREY[2]
    change = F.avg_pool2d(F.pad(change, (3, 3, 3, 3), mode="reflect"), 7, 1)
    return ((MOVING - change) / (MOVING - STILL)).clamp(0, 1)


def _soft(box: tuple[int, int, int, int], like: Tensor, edge: int = 24) -> Tensor:
    """[SIZE, SIZE]: 1 inside `box`, falling to 0 at its edges over `edge` px."""
    top, left, bottom, right = box
    at = torch.arange(SIZE, device=like.device, dtype=like.dtype) + 0.5
    rows, columns = ((torch.minimum(at - low, high - at) / edge).clamp(0, 1) for low, high in ((top, bottom), (left, right)))
    return rows[:, None] * columns


def pasted(picture: Tensor, face: Tensor, to_crop: Tensor, inner: Tensor, soft: Tensor) -> Tensor:
    """Pictures u8 [n, 3, H, W] with faces f32 [n, 3, SIZE, SIZE] of whole levels blended in; outside the mask untouched."""
    there = grid(to_crop, picture.shape[-2:], (SIZE, SIZE))
    back = _levels(F.grid_sample(face, there, align_corners=False))
    own = picture.float()
    return (own + soft * (inner * back - own)).clamp(0, 255).to(torch.uint8)


class Held:
    """One session's restorer where its pictures are drawn: what to do to each, and the memory of it.

    `stage` keeps what it has learned and counts; its own memory stays unused. `places`: one for all source frames, or one each.
    """

    def __init__(self, stage: RestorationStage, places: Sequence[Place]) -> None:
        self.stage, self.restorer, self._places = stage, stage.restorer, places
        self.memory = tuple(places[0].to_picture.new_zeros(1, *shape) for shape in MEMORY)
        self.restart()

    def restart(self) -> None:
        """The next frame is a new picture."""
        self.stage.flush()
        self._started = self._known = False
        self._share = 0.0                        # the largest there can be

    @property
    def ways(self) -> list[Way]:
        """All that may be asked for."""
        if self.stage.governor.budget is None:
            return [Way.WHOLE]
        return [Way.WHOLE, *([Way.MOUTH] if self.restorer.mouth else []), Way.REUSE, Way.WANE]

    def next(self) -> tuple[Way, tuple[float, ...]]:
        """What to do to the next frame. Its numbers: whether there was a frame before, whether only every second one is
        drawn, the share to begin with."""
        plan = self.stage.governor.plan()
        way = plan.way(self.restorer.mouth is not None)
        self.stage.counts[plan.mode] += 1
        if way is Way.WANE and (not self._known or self._share < NEGLIGIBLE):
            self._known = False
            return Way.PASS, ()
        numbers = float(self._known), float(plan.gentle), float(not self._started)
        self._note(plan, way, numbers[2])
        return way, numbers

    def _note(self, plan: Plan, way: Way, start: float) -> None:
        share = self._share if self._known else start
        self._share = min(share + RISE, 1) if plan.compute else share * FALL if way is Way.WANE else share
        self._started = self._known = True
        self.stage.restored += 1

    def tensors(self, number: int) -> tuple[Tensor, ...]:
        """What `restored` takes for source frame `number`."""
        return *self._places[number % len(self._places)].tensors(), *self.memory
