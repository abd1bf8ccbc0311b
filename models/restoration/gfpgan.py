"""GFPGAN's "clean" architecture (Wang et al., CVPR 2021), versions 1.3 and 1.4: a U-Net that steers a StyleGAN2 decoder.

Attribute names are the published state-dict keys.
"""

import math
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .modulated import modulated_conv

STYLE = 512
SLOPE = 0.2
DECODER = {4: 512, 8: 512, 16: 512, 32: 512, 64: 512, 128: 256, 256: 128, 512: 64}     # channels by resolution
UNET = {size: channels // 2 for size, channels in DECODER.items()}
SIZE = 512
CELLS = 64                                       # resolution at which a window is cut out
HALO = 5                                         # cells at a window's inner edges that see zeros instead of picture

Window = tuple[int, int, int, int]               # top, left, bottom, right in cells of 8 px


@dataclass(frozen=True, slots=True)
class Restored:
    """The picture [B, 3, 512, 512] in about [-1, 1] and the U-Net's own pictures at 8, 16, .. 512."""

    image: Tensor
    pyramid: list[Tensor]


def resize(x: Tensor, scale: float) -> Tensor:
    """Bilinear, pixel centres."""
    return F.interpolate(x, scale_factor=scale, mode="bilinear", align_corners=False)


def cut(x: Tensor, window: Window | None) -> Tensor:
    """The window's part of a map of CELLS px or more; the whole without a window."""
    if window is None:
        return x
    top, left, bottom, right = (edge * x.shape[-1] // CELLS for edge in window)
    return x[..., top:bottom, left:right]


class ModulatedConv(nn.Module):
    """Modulated convolution with its style layer; `scale` 2 enlarges the input first."""

    def __init__(self, inputs: int, outputs: int, kernel: int, demodulate: bool = True, scale: int = 1):
        super().__init__()
        self.modulation = nn.Linear(STYLE, inputs)
        nn.init.ones_(self.modulation.bias)
        self.weight = nn.Parameter(torch.randn(1, outputs, inputs, kernel, kernel) / math.sqrt(inputs * kernel ** 2))
        self.demodulate, self.scale = demodulate, scale

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        x = resize(x, self.scale) if self.scale > 1 else x
        return modulated_conv(x, self.weight, self.modulation(style), demodulate=self.demodulate)


class StyleConv(nn.Module):
    """Modulated 3x3 convolution, noise, bias, leaky ReLU."""

    def __init__(self, inputs: int, outputs: int, scale: int = 1):
        super().__init__()
        self.modulated_conv = ModulatedConv(inputs, outputs, 3, scale=scale)
        self.weight = nn.Parameter(torch.zeros(1))                 # strength of the noise
        self.bias = nn.Parameter(torch.zeros(1, outputs, 1, 1))

    def forward(self, x: Tensor, style: Tensor, noise: Tensor) -> Tensor:
        y = self.modulated_conv(x, style) * math.sqrt(2)
        return F.leaky_relu(y + self.weight * noise + self.bias, SLOPE)


class ToRGB(nn.Module):
    """1x1 modulated convolution to three channels, added to the enlarged picture so far."""

    def __init__(self, inputs: int):
        super().__init__()
        self.modulated_conv = ModulatedConv(inputs, 3, 1, demodulate=False)
        self.bias = nn.Parameter(torch.zeros(1, 3, 1, 1))

    def forward(self, x: Tensor, style: Tensor, below: Tensor | None = None) -> Tensor:
        y = self.modulated_conv(x, style) + self.bias
        return y if below is None else y + resize(below, 2)


class ConstantInput(nn.Module):
    """The learned 4x4 map generation starts from."""

    def __init__(self, channels: int):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(1, channels, 4, 4))


class StyleDecoder(nn.Module):
    """StyleGAN2 generator with spatial feature transforms on the second half of the channels."""

    def __init__(self):
        super().__init__()
        # The latents come straight from the U-Net, so the mapping network only exists to be loaded.
        layers = [nn.Identity()]
        for _ in range(8):
            layers += [nn.Linear(STYLE, STYLE), nn.LeakyReLU(SLOPE)]
        self.style_mlp = nn.Sequential(*layers)
        self.constant_input = ConstantInput(DECODER[4])
        self.style_conv1 = StyleConv(DECODER[4], DECODER[4])
        self.to_rgb1 = ToRGB(DECODER[4])
        self.style_convs, self.to_rgbs, self.noises = nn.ModuleList(), nn.ModuleList(), nn.Module()
        self.noises.register_buffer("noise0", torch.randn(1, 1, 4, 4))
        sizes = sorted(DECODER)
        for i, (small, size) in enumerate(pairwise(sizes)):
            self.style_convs.append(StyleConv(DECODER[small], DECODER[size], scale=2))
            self.style_convs.append(StyleConv(DECODER[size], DECODER[size]))
            self.to_rgbs.append(ToRGB(DECODER[size]))
            for k in (1, 2):
                self.noises.register_buffer(f"noise{2 * i + k}", torch.randn(1, 1, size, size))

    def noise(self, index: int) -> Tensor:
        """The stored noise of layer `index`; the same in every call, so that a still face stays still."""
        return getattr(self.noises, f"noise{index}")

    def forward(self, latents: Tensor, scales: list[Tensor], shifts: list[Tensor], window: Window | None = None) -> Tensor:
        """latents [B, 16, 512], one scale and shift per resolution from 8 up -> [B, 3, 512, 512], or its window."""
        x = self.constant_input.weight.expand(len(latents), -1, -1, -1)
        x = self.style_conv1(x, latents[:, 0], self.noise(0))
        rgb = self.to_rgb1(x, latents[:, 1])
        for i, (scale, shift) in enumerate(zip(scales, shifts, strict=True)):
            part = window if 8 << i > CELLS else None
            noises = (cut(self.noise(2 * i + k), part) for k in (1, 2))
            x = self.style_convs[2 * i](x, latents[:, 2 * i + 1], next(noises))
            kept, steered = x.chunk(2, dim=1)
            x = torch.cat([kept, steered * scale + shift], dim=1)
            x = self.style_convs[2 * i + 1](x, latents[:, 2 * i + 2], next(noises))
            rgb = self.to_rgbs[i](x, latents[:, 2 * i + 3], rgb)
            if 8 << i == CELLS:
                x, rgb = cut(x, window), cut(rgb, window)
        return rgb


class ScaledResidual(nn.Module):
    """Residual block of the U-Net that halves (`scale` 0.5) or doubles (2) the resolution."""

    def __init__(self, inputs: int, outputs: int, scale: float):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, inputs, 3, 1, 1)
        self.conv2 = nn.Conv2d(inputs, outputs, 3, 1, 1)
        self.skip = nn.Conv2d(inputs, outputs, 1, bias=False)
        self.scale = scale

    def forward(self, x: Tensor) -> Tensor:
        y = resize(F.leaky_relu(self.conv1(x), SLOPE), self.scale)
        return F.leaky_relu(self.conv2(y), SLOPE) + self.skip(resize(x, self.scale))


class GFPGAN(nn.Module):
    """[B, 3, 512, 512] RGB in [-1, 1], an aligned face -> the restored face."""

    def __init__(self):
        super().__init__()
        sizes = sorted(UNET)
        rising, falling = sizes[1:], sizes[::-1]
        self.conv_body_first = nn.Conv2d(3, UNET[SIZE], 1)
        self.conv_body_down = nn.ModuleList(
            ScaledResidual(UNET[a], UNET[b], 0.5) for a, b in pairwise(falling))
        self.final_conv = nn.Conv2d(UNET[4], UNET[4], 3, 1, 1)
        self.conv_body_up = nn.ModuleList(ScaledResidual(UNET[a], UNET[b], 2) for a, b in pairwise(sizes))
        self.toRGB = nn.ModuleList(nn.Conv2d(UNET[size], 3, 1) for size in rising)
        self.latents = 2 * len(rising) + 2
        self.final_linear = nn.Linear(UNET[4] * 16, self.latents * STYLE)
        self.stylegan_decoder = StyleDecoder()
        self.condition_scale = nn.ModuleList(self._condition(UNET[size]) for size in rising)
        self.condition_shift = nn.ModuleList(self._condition(UNET[size]) for size in rising)

    @staticmethod
    def _condition(channels: int) -> nn.Sequential:
        first, second = (nn.Conv2d(channels, channels, 3, 1, 1) for _ in range(2))
        return nn.Sequential(first, nn.LeakyReLU(SLOPE), second)

    def restore(self, x: Tensor, pyramid: bool = True, window: Window | None = None) -> Restored:
        """The restored face and, when `pyramid`, the U-Net's picture at each resolution.

        With a `window` only that part is drawn from 64 px up. It equals the same part of the whole, but for HALO cells
        along those of its edges that are not the picture's.
        """
        x = F.leaky_relu(self.conv_body_first(x), SLOPE)
        skips = []
        for block in self.conv_body_down:
            x = block(x)
            skips.append(x)
        x = F.leaky_relu(self.final_conv(x), SLOPE)
        latents = self.final_linear(x.flatten(1)).unflatten(1, (self.latents, STYLE))
        scales, shifts, pictures = [], [], []
        for i, block in enumerate(self.conv_body_up):
            skip = skips.pop()
            if 4 << i >= CELLS:
                skip = cut(skip, window)
                x = cut(x, window) if 4 << i == CELLS else x
            x = block(x + skip)
            scales.append(self.condition_scale[i](x))
            shifts.append(self.condition_shift[i](x))
            if pyramid:
                pictures.append(self.toRGB[i](x))
        return Restored(self.stylegan_decoder(latents, scales, shifts, window), pictures)

    def forward(self, x: Tensor) -> Tensor:
        return self.restore(x, pyramid=False).image
