"""The two encoders of AMT: features to correlate (1/8 resolution) and a content pyramid (1/2 .. 1/16).

Attribute names are the published state-dict keys.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def conv_prelu(inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    """Same-padded convolution and a PReLU with one slope per channel."""
    return nn.Sequential(nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2), nn.PReLU(outputs))


class Residual(nn.Module):
    """Instance-normalised residual block; `conv3` only in the bottleneck form (1x1, 3x3, 1x1 at a quarter of the width)."""

    def __init__(self, inputs: int, outputs: int, stride: int, bottleneck: bool):
        super().__init__()
        inner = outputs // 4 if bottleneck else outputs
        kernels = (1, 3, 1) if bottleneck else (3, 3)
        widths = (inputs, *[inner] * (len(kernels) - 1), outputs)
        strided = kernels.index(3)
        for i, kernel in enumerate(kernels):
            step = stride if i == strided else 1
            setattr(self, f"conv{i + 1}", nn.Conv2d(widths[i], widths[i + 1], kernel, step, kernel // 2))
        self.convs = len(kernels)
        if stride > 1:
            self.downsample = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride), nn.InstanceNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        y = x
        for i in range(self.convs):
            y = F.relu(F.instance_norm(getattr(self, f"conv{i + 1}")(y)))
        skip = self.downsample(x) if hasattr(self, "downsample") else x
        return F.relu(skip + y)


class CorrelationEncoder(nn.Module):
    """[B, 3, H, W] -> [B, width, H/8, W/8]. `widths` of the stages; the large form has a fourth stage, `layer3_2`."""

    def __init__(self, widths: tuple[int, ...], width: int, bottleneck: bool):
        super().__init__()
        self.conv1 = nn.Conv2d(3, widths[0], 7, 2, 3)
        self.stages = ("layer1", "layer2", "layer3", "layer3_2")[:len(widths)]
        before = widths[0]
        for name, channels in zip(self.stages, widths, strict=True):
            stride = 2 if name in ("layer2", "layer3") else 1
            blocks = Residual(before, channels, stride, bottleneck), Residual(channels, channels, 1, bottleneck)
            setattr(self, name, nn.Sequential(*blocks))
            before = channels
        self.conv2 = nn.Conv2d(before, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(F.instance_norm(self.conv1(x)))
        for name in self.stages:
            x = getattr(self, name)(x)
        return self.conv2(x)


class ContentEncoder(nn.Module):
    """[B, 3, H, W] -> four maps at 1/2, 1/4, 1/8 and 1/16."""

    def __init__(self, widths: tuple[int, int, int, int], first_kernel: int):
        super().__init__()
        before = 3
        for level, channels in enumerate(widths, 1):
            kernel = first_kernel if level == 1 else 3
            stage = nn.Sequential(conv_prelu(before, channels, kernel, 2), conv_prelu(channels, channels))
            setattr(self, f"pyramid{level}", stage)
            before = channels

    def forward(self, x: Tensor) -> list[Tensor]:
        maps = []
        for level in (1, 2, 3, 4):
            x = getattr(self, f"pyramid{level}")(x)
            maps.append(x)
        return maps


def resize(x: Tensor, scale: float) -> Tensor:
    """Bilinear, pixel centres (align_corners off), by `scale`."""
    return x if scale == 1 else F.interpolate(x, scale_factor=scale, mode="bilinear", align_corners=False)


def pixel_grid(height: int, width: int, like: Tensor) -> Tensor:
    """[2, H, W] pixel coordinates, x then y."""
    rows, columns = (torch.arange(count, device=like.device) for count in (height, width))
    y, x = torch.meshgrid(rows, columns, indexing="ij")
    return torch.stack([x, y]).to(like)


def both(x: float, y: float, like: Tensor) -> Tensor:
    """[2] of `like`'s kind, made where it lies: a recorded graph can copy nothing from the host."""
    return torch.cat([like.new_full((1,), x), like.new_full((1,), y)])


def warp(x: Tensor, flow: Tensor) -> Tensor:
    """Backward warp of `x` [B, C, H, W] by `flow` [B, 2, H, W] px (x, y): bilinear, edge pixels repeated outside."""
    height, width = x.shape[-2:]
    column = torch.linspace(-1, 1, width, dtype=x.dtype, device=x.device).expand(height, width)
    row = torch.linspace(-1, 1, height, dtype=x.dtype, device=x.device)[:, None].expand(height, width)
    scale = both((width - 1) / 2, (height - 1) / 2, x).view(1, 2, 1, 1)
    grid = (torch.stack([column, row]) + flow / scale).permute(0, 2, 3, 1)
    return F.grid_sample(x, grid, mode="bilinear", padding_mode="border", align_corners=True)
