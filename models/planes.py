"""From a network's drawing to I420 without leaving the device: pasted into its source frame and converted.

`models.paste` and `models.face.colour` in PyTorch, in fixed shapes and without a question to the host, so that it is
recorded as one step with the network. A `Seat` is what a source frame needs for it, laid on the device once.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from limner.cuda.graph import SIZES
from limner.cuda.reference import COLOUR, inverted, spread
from limner.models.paste import Patch

LUMA, CHROMA = 1081344, 33685504                 # 16 and, for sums of four pixels, 128, each with its half, in 1/65536
FLOOR = 1e-3                                     # share of the mean difference that reaches everywhere, as in `paste`


@dataclass(frozen=True, slots=True)
class Seat:
    """One source frame, every tensor [1, ...]; [gh, gw] are the cells of the colour match."""

    picture: Tensor                              # u8 [1, H, W, 3]
    mask: Tensor                                 # f16 [1, H, W], how much of a drawing is shown
    places: Tensor                               # f32 [1, 2, 3], px of the picture -> px of the drawing
    seen: Tensor                                 # f32 [1, 3, gh, gw], the source as the network saw it
    surround: Tensor                             # f32 [1, 1, gh, gw], weights of the cells whose colours are to be kept
    near: Tensor                                 # f32 [1, 1, gh, gw], the same blurred
    down: Tensor                                 # f32 [1, gh, gh], the blur over rows
    across: Tensor                               # f32 [1, gw, gw], over columns

    @property
    def size(self) -> tuple[int, int]:
        """(H, W) of the picture."""
        return tuple(self.picture.shape[1:3])


def seat(picture: NDArray[np.uint8], patch: Patch, upload: Callable[[NDArray], Tensor]) -> Seat:
    """A source frame [H, W, 3] and where its mouth goes, on the device `upload` copies to."""
    height, width = patch.mask.shape[:2]
    mask = np.zeros(picture.shape[:2], np.float16)
    mask[patch.top:patch.top + height, patch.left:patch.left + width] = patch.mask[..., 0]
    places = inverted(patch.affine)
    places[:, 2] -= places[:, :2] @ (patch.left, patch.top)
    surround = patch.surround[..., 0]
    tables = spread(surround)
    parts = (picture, mask, places.astype(np.float32), patch.seen.transpose(2, 0, 1), surround[None], tables.near[None],
             tables.down, tables.across)
    return Seat(*(upload(np.ascontiguousarray(each)[None]) for each in parts))


def tensors(seat: Seat) -> tuple[Tensor, ...]:
    """What `planes` takes of one source frame, the opacity left out."""
    return tuple(getattr(seat, name) for name in Seat.__slots__)


COUNT = len(Seat.__slots__)


@dataclass(frozen=True, slots=True)
class Finish:
    """The recipe of `models.drawing` for whole pictures of `size` (H, W). Its one number is the opacity."""

    size: tuple[int, int]
    most: ClassVar[int] = SIZES[-1]
    count: ClassVar[int] = COUNT

    def constants(self) -> dict[str, Tensor]:
        return {}

    def __call__(self, drawn: Tensor, numbers: Tensor, *laid: Tensor) -> Tensor:
        return planes(drawn, *laid, numbers[:, 0])


def planes(drawn: Tensor, *laid: Tensor) -> Tensor:
    """Drawings [n, 3, h, w] in 0..1, laid into their source frames: I420 u8 [n, H' 3/2, W']. Fit to be recorded."""
    return i420(pasted(drawn, *laid))


def pasted(drawn: Tensor, picture: Tensor, mask: Tensor, places: Tensor, seen: Tensor, surround: Tensor, near: Tensor,
           down: Tensor, across: Tensor, opacity: Tensor) -> Tensor:
    """Drawings [n, 3, h, w] in 0..1, matched in colour and laid into their source frames: u8 RGB [n, 3, H, W].

    h and w must be whole multiples of gh and gw.
    """
    drawing = drawn * 255
    offset = _offset(drawing, seen, surround, near, down, across)
    there = grid(places, picture.shape[1:3], drawing.shape[-2:])
    full = F.grid_sample(drawing, there, mode="bicubic", padding_mode="border", align_corners=False)
    full = full + F.grid_sample(offset, there, mode="bilinear", padding_mode="border", align_corners=False)
    own = picture.permute(0, 3, 1, 2).float()
    share = mask.float() * opacity.view(-1, 1, 1)
    return (own + (full - own) * share[:, None] + 0.5).clamp(0, 255).to(torch.uint8)


def _offset(drawing: Tensor, seen: Tensor, surround: Tensor, near: Tensor, down: Tensor, across: Tensor) -> Tensor:
    """What to add to drawings in 0..255 so that they meet their surround, [n, 3, gh, gw]."""
    rows, columns = seen.shape[-2:]
    height, width = drawing.shape[-2:]
    if height % rows or width % columns:
        raise ValueError(f"drawings of {height} x {width} px do not divide into {rows} x {columns} cells")
    apart = (seen - F.avg_pool2d(drawing, (height // rows, width // columns))) * surround
    blurred = down[:, None] @ apart @ across[:, None].mT
    return (blurred + apart.sum((2, 3), keepdim=True) * (FLOOR / (rows * columns))) / near


def grid(places: Tensor, size: tuple[int, int], drawing: tuple[int, int]) -> Tensor:
    """Where every pixel of pictures of `size` lies in drawings, -1..1 from edge to edge: [n, H, W, 2]."""
    x = torch.arange(size[1], device=places.device, dtype=places.dtype)
    y = torch.arange(size[0], device=places.device, dtype=places.dtype)[:, None]
    t = places[..., None, None]
    px, py = (t[:, k, 0] * x + (t[:, k, 1] * y + t[:, k, 2]) for k in (0, 1))
    return torch.stack([(2 * px + 1) / drawing[1] - 1, (2 * py + 1) / drawing[0] - 1], -1)


def i420(rgb: Tensor) -> Tensor:
    """u8 RGB [n, 3, H, W] -> u8 I420 [n, H' 3/2, W'], BT.601 limited range; H' and W' even, odd edges repeated."""
    height, width = rgb.shape[-2:]
    if height % 2:
        rgb = torch.cat([rgb, rgb[..., -1:, :]], -2)
    if width % 2:
        rgb = torch.cat([rgb, rgb[..., -1:]], -1)
    luma, cb, cr = (COLOUR["bt601"][k:k + 3] for k in (0, 3, 6))
    wide = rgb.int()
    sums = wide[..., ::2, :] + wide[..., 1::2, :]
    sums = sums[..., ::2] + sums[..., 1::2]
    parts = [(_weighted(wide, luma) + LUMA) >> 16, *((_weighted(sums, row) + CHROMA) >> 18 for row in (cb, cr))]
    return torch.cat([part.flatten(1) for part in parts], 1).to(torch.uint8).view(len(rgb), -1, wide.shape[-1])


def _weighted(rgb: Tensor, row: Sequence[int]) -> Tensor:
    return rgb[:, 0] * row[0] + rgb[:, 1] * row[1] + rgb[:, 2] * row[2]
