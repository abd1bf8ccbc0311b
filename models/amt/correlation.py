"""Bidirectional all-pairs correlation with a pyramid and windowed lookup (RAFT, Teed & Deng 2020; AMT, Li et al. 2023).

Two forms with one answer. `Volume` holds every dot product of the 1/8-resolution features: fast, but it grows with
the square of the picture's area. `OnDemand` multiplies only the window each pixel reads: memory grows with the area.
Both work because average-pooling a row of dot products equals the dot product with average-pooled features.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from .encoders import both

LEVELS = 4
RADIUS = 3
SIDE = 2 * RADIUS + 1
CHANNELS = 2 * LEVELS * SIDE * SIDE              # both directions
VOLUME_LIMIT = 256 << 20                         # bytes of both volumes; above it windows are computed on demand
_BLOCK = 1024                                    # pixels whose windows are gathered at once


def volume_bytes(height: int, width: int, batch: int = 1, size: int = 4) -> int:
    """Bytes of both volumes with their pyramids for feature maps of `height` x `width`."""
    pixels = height * width
    keys = sum((height >> level) * (width >> level) for level in range(LEVELS))
    return 2 * batch * pixels * keys * size


def correlate(a: Tensor, b: Tensor, limit: int = VOLUME_LIMIT) -> "Volume | OnDemand":
    """Correlation of two feature maps [B, C, H, W], in whichever form stays within `limit` bytes."""
    batch, _, height, width = a.shape
    fits = volume_bytes(height, width, batch, a.element_size()) <= limit
    return Volume(a, b) if fits else OnDemand(a, b)


def _window(like: Tensor) -> Tensor:
    """[SIDE, SIDE, 2] offsets (x, y). The published window is transposed: x runs along its rows."""
    d = torch.arange(-RADIUS, RADIUS + 1, dtype=like.dtype, device=like.device)
    return torch.stack(torch.meshgrid(d, d, indexing="ij"), dim=-1)


class Volume:
    """Every dot product, pooled to four levels, for both directions; the second is the transpose of the first."""

    def __init__(self, a: Tensor, b: Tensor):
        batch, channels, height, width = a.shape
        pairs = torch.einsum("bcn,bcm->bnm", a.flatten(2), b.flatten(2)) / channels ** 0.5
        self._shape = batch, height, width
        self._forward = self._pyramid(pairs)
        self._backward = self._pyramid(pairs.transpose(1, 2))

    def _pyramid(self, pairs: Tensor) -> list[Tensor]:
        batch, height, width = self._shape
        levels = [pairs.reshape(batch * height * width, 1, height, width)]
        for _ in range(LEVELS - 1):
            levels.append(F.avg_pool2d(levels[-1], 2))
        return levels

    def read(self, forward: Tensor, backward: Tensor) -> Tensor:
        """Windows around absolute coordinates [B, 2, H, W] (x, y) in the second and in the first map -> [B, CHANNELS, H, W]."""
        return torch.cat([self._read(self._forward, forward), self._read(self._backward, backward)], dim=1)

    def _read(self, levels: list[Tensor], coords: Tensor) -> Tensor:
        batch, height, width = self._shape
        centre = coords.permute(0, 2, 3, 1).reshape(-1, 1, 1, 2)
        window = _window(coords)
        out = []
        for level, volume in enumerate(levels):
            rows, columns = volume.shape[-2:]
            size = both(columns - 1, rows - 1, coords)
            grid = 2 * (centre / 2 ** level + window) / size - 1
            values = F.grid_sample(volume, grid, mode="bilinear", padding_mode="zeros", align_corners=True)
            out.append(values.reshape(batch, height, width, SIDE * SIDE))
        return torch.cat(out, dim=-1).permute(0, 3, 1, 2)


class OnDemand:
    """Dot products of the windows that are read, and of nothing else."""

    def __init__(self, a: Tensor, b: Tensor):
        self._first, self._second = self._pyramid(a), self._pyramid(b)

    @staticmethod
    def _pyramid(x: Tensor) -> list[Tensor]:
        levels = [x]
        for _ in range(LEVELS - 1):
            levels.append(F.avg_pool2d(levels[-1], 2))
        return levels

    def read(self, forward: Tensor, backward: Tensor) -> Tensor:
        """As `Volume.read`."""
        ahead = self._read(self._first[0], self._second, forward)
        return torch.cat([ahead, self._read(self._second[0], self._first, backward)], dim=1)

    def _read(self, queries: Tensor, levels: list[Tensor], coords: Tensor) -> Tensor:
        batch, channels, height, width = queries.shape
        rows = queries.permute(0, 2, 3, 1).reshape(batch, -1, channels) / channels ** 0.5
        centres = coords.permute(0, 2, 3, 1).reshape(batch, -1, 2)
        out = coords.new_empty(batch, height * width, LEVELS, SIDE * SIDE)
        for b in range(batch):
            for level, keys in enumerate(levels):
                table = _bordered(keys[b])
                for i in range(0, height * width, _BLOCK):
                    block = slice(i, i + _BLOCK)
                    out[b, block, level] = _windows(rows[b, block], table, centres[b, block] / 2 ** level)
        return out.reshape(batch, height, width, -1).permute(0, 3, 1, 2)


def _bordered(keys: Tensor) -> Tensor:
    """[C, H, W] -> [H + 1, W + 1, C]; the last row and column are zero and stand for everything outside."""
    return F.pad(keys, (0, 1, 0, 1)).permute(1, 2, 0).contiguous()


def _windows(queries: Tensor, table: Tensor, centres: Tensor) -> Tensor:
    """Bilinear windows of dot products: queries [n, C], centres [n, 2] -> [n, SIDE * SIDE].

    All points of a window share one fractional position, so (SIDE + 1)^2 products at whole pixels give them all.
    """
    height, width = table.shape[0] - 1, table.shape[1] - 1
    far = float(max(height, width) + 2 * SIDE)           # beyond it everything is outside; also keeps the integers small
    corner = centres.clamp(-far, far).floor()
    part = (centres.clamp(-far, far) - corner)
    steps = torch.arange(-RADIUS, RADIUS + 2, device=centres.device)
    x, y = corner[:, :1].long() + steps, corner[:, 1:].long() + steps
    x = torch.where((x >= 0) & (x < width), x, width)
    y = torch.where((y >= 0) & (y < height), y, height)
    index = y[:, None, :] * (width + 1) + x[:, :, None]                          # [n, x, y]
    keys = table.reshape(-1, table.shape[-1])[index.flatten(1)]
    dots = torch.bmm(keys, queries[:, :, None]).reshape(-1, SIDE + 1, SIDE + 1)
    u, v = part[:, 0, None, None], part[:, 1, None, None]
    dots = dots[:, :-1] * (1 - u) + dots[:, 1:] * u
    return (dots[:, :, :-1] * (1 - v) + dots[:, :, 1:] * v).flatten(1)
