"""GPEN (Yang et al., CVPR 2021): a StyleGAN2 whose noise is replaced by the features of an encoder.

StyleGAN2's equalised learning rate keeps weights at unit variance and scales them when used; the blur kernels are part
of the published state dict. Attribute names are the published keys.
"""

import math
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .modulated import modulated_conv

STYLE = 512
SLOPE = 0.2
EPS = 1e-8


def channels_at(size: int, multiplier: int, narrow: float) -> int:
    """Channels of a StyleGAN2 at one resolution."""
    full = 512 if size <= 32 else 512 * multiplier * 32 // size
    return int(full * narrow)


def blur(x: Tensor, kernel: Tensor, before: int, after: int) -> Tensor:
    """Depthwise convolution with a 4x4 kernel after zero padding (`before` left and top, `after` right and bottom)."""
    channels = x.shape[1]
    weight = kernel.flip(0, 1).expand(channels, 1, -1, -1)
    return F.conv2d(F.pad(x, (before, after, before, after)), weight, groups=channels)


def activate(x: Tensor, bias: Tensor) -> Tensor:
    """Bias and leaky ReLU with unit gain restored."""
    shape = [1, -1] + [1] * (x.dim() - 2)
    return math.sqrt(2) * F.leaky_relu(x + bias.view(shape), SLOPE)


class BlurKernel(nn.Module):
    """The separable [1, 3, 3, 1] filter with sum `gain`."""

    def __init__(self, gain: float = 1.0):
        super().__init__()
        row = torch.tensor([1.0, 3.0, 3.0, 1.0])
        self.register_buffer("kernel", gain * torch.outer(row, row) / 64)


class Down(BlurKernel):
    """Blur before a stride-2 convolution."""

    def forward(self, x: Tensor) -> Tensor:
        return blur(x, self.kernel, 2, 2)


class EqualLinear(nn.Module):
    """Linear layer with run-time scaling; `rate` is its learning-rate multiplier."""

    def __init__(self, inputs: int, outputs: int, *, rate: float = 1.0, activation: bool = False, bias: float = 0.0):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs) / rate)
        self.bias = nn.Parameter(torch.full((outputs,), bias))
        self.rate, self.activation = rate, activation

    def forward(self, x: Tensor) -> Tensor:
        y = F.linear(x, self.weight * (self.rate / math.sqrt(self.weight.shape[1])))
        return activate(y, self.bias * self.rate) if self.activation else y + self.bias * self.rate


class EqualConv(nn.Module):
    """Bias-free convolution with run-time scaling."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, kernel, kernel))
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        scale = 1 / math.sqrt(self.weight[0].numel())
        return F.conv2d(x, self.weight * scale, stride=self.stride)


class Activation(nn.Module):
    """`activate` with its bias."""

    def __init__(self, channels: int):
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        return activate(x, self.bias)


class ModulatedConv(nn.Module):
    """Modulated convolution; with `up` it doubles the resolution (transposed convolution, then blur)."""

    def __init__(self, inputs: int, outputs: int, kernel: int, *, demodulate: bool = True, up: bool = False):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(1, outputs, inputs, kernel, kernel))
        self.modulation = EqualLinear(STYLE, inputs, bias=1.0)
        self.demodulate = demodulate
        if up:
            self.blur = BlurKernel(gain=4.0)

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        up = hasattr(self, "blur")
        weight = self.weight / math.sqrt(self.weight[0, 0].numel())
        y = modulated_conv(x, weight, self.modulation(style), demodulate=self.demodulate, transposed=up)
        return blur(y, self.blur.kernel, 1, 1) if up else y


class NoiseWeight(nn.Module):
    """Strength with which the encoder's features are put beside the generator's."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))


class StyledConv(nn.Module):
    """Modulated 3x3 convolution, the encoder's features concatenated, activation."""

    def __init__(self, inputs: int, outputs: int, *, up: bool = False):
        super().__init__()
        self.conv = ModulatedConv(inputs, outputs, 3, up=up)
        self.noise = NoiseWeight()
        self.activate = Activation(2 * outputs)

    def forward(self, x: Tensor, style: Tensor, features: Tensor) -> Tensor:
        return self.activate(torch.cat([self.conv(x, style), self.noise.weight * features], dim=1))


class ToRGB(nn.Module):
    """1x1 modulated convolution to three channels, added to the doubled picture so far."""

    def __init__(self, inputs: int, *, up: bool = True):
        super().__init__()
        self.conv = ModulatedConv(inputs, 3, 1, demodulate=False)
        self.bias = nn.Parameter(torch.zeros(1, 3, 1, 1))
        if up:
            self.upsample = BlurKernel(gain=4.0)

    def forward(self, x: Tensor, style: Tensor, below: Tensor | None = None) -> Tensor:
        y = self.conv(x, style) + self.bias
        return y if below is None else y + self._double(below)

    def _double(self, x: Tensor) -> Tensor:
        """Zeros between the pixels, then the filter."""
        batch, channels, height, width = x.shape
        spread = x.new_zeros(batch, channels, 2 * height, 2 * width)
        spread[..., ::2, ::2] = x
        return blur(spread, self.upsample.kernel, 2, 1)


class PixelNorm(nn.Module):
    """Scale each vector to unit mean square."""

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.rsqrt(x.square().mean(dim=1, keepdim=True) + EPS)


class ConstantInput(nn.Module):
    """The learned 4x4 map generation starts from."""

    def __init__(self, channels: int):
        super().__init__()
        self.input = nn.Parameter(torch.randn(1, channels, 4, 4))


class Generator(nn.Module):
    """StyleGAN2 whose every layer also sees the encoder's features of its own resolution."""

    def __init__(self, widths: list[int]):
        super().__init__()
        self.style = nn.Sequential(PixelNorm(), *(EqualLinear(STYLE, STYLE, rate=0.01, activation=True) for _ in range(8)))
        self.input = ConstantInput(widths[0])
        self.conv1 = StyledConv(widths[0], widths[0])
        self.to_rgb1 = ToRGB(2 * widths[0], up=False)
        self.convs, self.to_rgbs = nn.ModuleList(), nn.ModuleList()
        for small, wide in pairwise(widths):
            self.convs.append(StyledConv(2 * small, wide, up=True))
            self.convs.append(StyledConv(2 * wide, wide))
            self.to_rgbs.append(ToRGB(2 * wide))

    def forward(self, latent: Tensor, features: list[Tensor]) -> Tensor:
        """latent [B, 512], encoder features from 4x4 up -> picture."""
        style = self.style(latent)
        x = self.conv1(self.input.input.expand(len(latent), -1, -1, -1), style, features[0])
        rgb = self.to_rgb1(x, style)
        for i, beside in enumerate(features[1:]):
            x = self.convs[2 * i](x, style, beside)
            x = self.convs[2 * i + 1](x, style, beside)
            rgb = self.to_rgbs[i](x, style, rgb)
        return rgb


class GPEN(nn.Module):
    """[B, 3, size, size] RGB in [-1, 1], an aligned face -> the restored face. Sizes 256 and 512 are published."""

    def __init__(self, size: int = 512):
        super().__init__()
        multiplier, narrow = (2, 1.0) if size == 512 else (1, 0.5)
        self.size = size
        self.levels = int(math.log2(size)) - 1                       # 4x4 .. size
        widths = [channels_at(4 << i, multiplier, narrow) for i in range(self.levels)]
        self.generator = Generator(widths)
        falling = widths[::-1]
        self.ecd0 = self._stage(EqualConv(3, falling[0], 1), Activation(falling[0]))
        for i, (wide, small) in enumerate(pairwise(falling), 1):
            self.add_module(f"ecd{i}", self._stage(Down(), EqualConv(wide, small, 3, stride=2), Activation(small)))
        self.final_linear = nn.Sequential(EqualLinear(16 * widths[0], STYLE, activation=True))
        self.fixed_buffers = frozenset(key for key, _ in self.named_buffers() if key.endswith("kernel"))

    @staticmethod
    def _stage(*layers: nn.Module) -> nn.Sequential:
        return nn.Sequential(nn.Sequential(*layers))                 # the published keys have one level more

    def forward(self, x: Tensor) -> Tensor:
        features = []
        for i in range(self.levels):
            x = getattr(self, f"ecd{i}")(x)
            features.append(x)
        return self.generator(self.final_linear(x.flatten(1)), features[::-1])
