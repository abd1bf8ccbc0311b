"""Layers of the vector-quantised autoencoders under CodeFormer and RestoreFormer (VQGAN, Esser et al. 2021).

Attribute names are the published state-dict keys.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def group_norm(channels: int) -> nn.GroupNorm:
    """32 groups, eps 1e-6."""
    return nn.GroupNorm(32, channels, eps=1e-6)


class Residual(nn.Module):
    """norm, swish, conv, twice; a 1x1 convolution called `shortcut` where the channels change."""

    def __init__(self, inputs: int, outputs: int, shortcut: str = "conv_out"):
        super().__init__()
        self.norm1, self.conv1 = group_norm(inputs), nn.Conv2d(inputs, outputs, 3, 1, 1)
        self.norm2, self.conv2 = group_norm(outputs), nn.Conv2d(outputs, outputs, 3, 1, 1)
        self.shortcut = shortcut if inputs != outputs else ""
        if self.shortcut:
            self.add_module(shortcut, nn.Conv2d(inputs, outputs, 1))

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv1(F.silu(self.norm1(x)))
        y = self.conv2(F.silu(self.norm2(y)))
        return y + (getattr(self, self.shortcut)(x) if self.shortcut else x)


class Downsample(nn.Module):
    """3x3 convolution with stride 2, padded right and below only."""

    def __init__(self, channels: int):
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(F.pad(x, (0, 1, 0, 1)))


class Upsample(nn.Module):
    """Nearest x2, then a 3x3 convolution."""

    def __init__(self, channels: int):
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(F.interpolate(x, scale_factor=2.0))


class Attention(nn.Module):
    """Attention between all positions of a map, plus its input. `heads` share the channels.

    With `cross` there is a second map, of another branch, that asks (gives the queries) after its own `norm2`.
    """

    def __init__(self, channels: int, heads: int = 1, cross: bool = False):
        super().__init__()
        self.heads = heads
        if cross:
            self.norm1, self.norm2 = group_norm(channels), group_norm(channels)
        else:
            self.norm = group_norm(channels)
        for name in ("q", "k", "v", "proj_out"):
            self.add_module(name, nn.Conv2d(channels, channels, 1))

    def _split(self, x: Tensor) -> Tensor:
        return x.flatten(2).unflatten(1, (self.heads, -1)).transpose(2, 3)

    def forward(self, x: Tensor, asking: Tensor | None = None) -> Tensor:
        """[B, C, H, W], and the asking map or None for self-attention."""
        own = (self.norm1 if hasattr(self, "norm1") else self.norm)(x)
        query = own if asking is None else self.norm2(asking)
        q, k, v = self._split(self.q(query)), self._split(self.k(own)), self._split(self.v(own))
        y = F.scaled_dot_product_attention(q, k, v).transpose(2, 3).reshape(x.shape)
        return x + self.proj_out(y)


class Codebook(nn.Module):
    """`quantize.embedding` [codes, width]."""

    def __init__(self, codes: int = 1024, width: int = 256):
        super().__init__()
        self.embedding = nn.Embedding(codes, width)

    def nearest(self, z: Tensor) -> Tensor:
        """Index of the nearest entry for every position of [B, C, H, W], row by row, [B H W]; the first of equals."""
        rows = z.permute(0, 2, 3, 1).reshape(-1, z.shape[1])
        table = self.embedding.weight
        distance = rows.square().sum(1, keepdim=True) + table.square().sum(1) - 2 * rows @ table.T
        return torch.argmin(distance, dim=1)

    def look_up(self, index: Tensor, height: int, width: int) -> Tensor:
        """Entries of `index` (B * height * width of them) as a map [B, C, height, width]."""
        return self.embedding(index.reshape(-1, height, width)).permute(0, 3, 1, 2).contiguous()
