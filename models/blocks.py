"""Layers the neural networks share, and exact rewritings that make them cheaper.

Attribute names (`conv`, `norm`, `conv1`, `conv_block`, ...) are the published state-dict keys.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

CONV = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
NORM = {1: nn.BatchNorm1d, 2: nn.BatchNorm2d, 3: nn.BatchNorm3d}


class ConvNorm(nn.Module):
    """Convolution, BatchNorm (optional), ReLU. `stride` 2 halves each axis, rounding up; `same` padding unless given."""

    def __init__(self, inputs: int, outputs: int, kernel: int, *, stride: int = 1, dims: int = 2, norm: bool = True):
        super().__init__()
        self.conv = CONV[dims](inputs, outputs, kernel, stride, (kernel - 1) // 2)
        self.norm = NORM[dims](outputs) if norm else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.norm(self.conv(x)))


class UpConvNorm(ConvNorm):
    """Nearest x2, then `ConvNorm`."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(F.interpolate(x, scale_factor=2.0))


class PreActResidual(nn.Module):
    """Pre-activation residual block: x + conv2(relu(norm2(conv1(relu(norm1(x))))))  (He et al. 2016)."""

    def __init__(self, channels: int, kernel: int = 3, *, dims: int = 2, norm: bool = True):
        super().__init__()
        pad = (kernel - 1) // 2
        self.conv1 = CONV[dims](channels, channels, kernel, 1, pad)
        self.conv2 = CONV[dims](channels, channels, kernel, 1, pad)
        self.norm1 = NORM[dims](channels) if norm else nn.Identity()
        self.norm2 = NORM[dims](channels) if norm else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv1(F.relu(self.norm1(x)))
        return x + self.conv2(F.relu(self.norm2(y)))


class ConvBlock(nn.Module):
    """Convolution and BatchNorm under one key, `conv_block`; plus the input when `residual`; then ReLU."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride=1, padding=0, *, residual: bool = False):
        super().__init__()
        self.conv_block = nn.Sequential(nn.Conv2d(inputs, outputs, kernel, stride, padding), nn.BatchNorm2d(outputs))
        self.residual = residual

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv_block(x)
        return F.relu(y + x if self.residual else y)


class TransposedBlock(nn.Module):
    """Transposed convolution, BatchNorm, ReLU under the key `conv_block`."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1, padding: int = 0, extra: int = 0):
        super().__init__()
        conv = nn.ConvTranspose2d(inputs, outputs, kernel, stride, padding, extra)
        self.conv_block = nn.Sequential(conv, nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.conv_block(x))


class PhaseConv(nn.Module):
    """Nearest x2 followed by a 3x3 convolution (padding 1), as four 2x2 convolutions of the small picture.

    Upsampling repeats each pixel, so the nine taps meet only four distinct ones; which four depends on the parity of
    the output row and column. The taps that meet the same pixel are summed: 4/9 of the work, equal up to rounding.
    """

    def __init__(self, conv: nn.Conv2d):
        super().__init__()
        weight = conv.weight.detach().double()
        rows = torch.tensor([[[1, 0, 0], [0, 1, 1]], [[1, 1, 0], [0, 0, 1]]]).to(weight)
        taps = torch.einsum("oiyx,pry,qcx->pqoirc", weight, rows, rows)
        self.outputs = conv.out_channels
        self.conv = nn.Conv2d(conv.in_channels, 4 * conv.out_channels, 2, padding=1)
        self.conv.weight.data = taps.flatten(0, 2).to(conv.weight.dtype)
        self.conv.bias.data = conv.bias.detach().repeat(4)

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, H, W] -> [B, outputs, 2H, 2W]."""
        batch, _, height, width = x.shape
        phases = self.conv(x).unflatten(1, (2, 2, self.outputs))
        layout = torch.channels_last if x.is_contiguous(memory_format=torch.channels_last) else torch.contiguous_format
        shape = (batch, self.outputs, 2 * height, 2 * width)
        out = torch.empty(shape, dtype=x.dtype, device=x.device, memory_format=layout)
        for p in (0, 1):
            for q in (0, 1):
                out[:, :, p::2, q::2] = phases[:, p, q, :, p:p + height, q:q + width]
        return out


class PhaseTail(nn.Module):
    """`PhaseConv`, ReLU and an odd k x k convolution (same padding), never leaving the small size.

    The four phases stay side by side as channels; the second convolution reads them there and writes its own four
    phases, which a pixel shuffle puts in place at the end. Worth it where the second convolution has few outputs.
    """

    def __init__(self, first: PhaseConv, conv: nn.Conv2d):
        super().__init__()
        self.first = first.conv
        reach = conv.kernel_size[0] // 2
        size = 2 * (reach // 2) + 2
        weight = conv.weight.detach()
        taps = weight.new_zeros(conv.out_channels, 2, 2, 2, 2, conv.in_channels, size, size)
        for dy, (out_p, in_p, row) in _phase_taps(reach):
            for dx, (out_q, in_q, column) in _phase_taps(reach):
                taps[:, out_p, out_q, in_p, in_q, :, row, column] = weight[:, :, dy, dx]
        self.second = nn.Conv2d(4 * conv.in_channels, 4 * conv.out_channels, size, padding=reach // 2)
        self.second.weight.data = taps.flatten(3, 5).flatten(0, 2)
        self.second.bias.data = conv.bias.detach().repeat_interleave(4)

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, H, W] -> [B, outputs, 2H, 2W]."""
        height, width = x.shape[2:]
        flat = F.relu(self.first(x), inplace=True)
        phases = flat.unflatten(1, (2, 2, -1))
        for p in (0, 1):                             # row or column -1 and 2n of the large picture are padding
            phases[:, p, :, :, height * (1 - p), :] = 0
            phases[:, :, p, :, :, width * (1 - p)] = 0
        return F.pixel_shuffle(self.second(flat), 2)


def _phase_taps(reach: int) -> list[tuple[int, tuple[int, int, int]]]:
    """(tap, (output phase, input phase, tap among the stored phases)) along one axis; phase p is stored p later."""
    found = []
    for out in (0, 1):
        for tap in range(2 * reach + 1):
            at = out + tap - reach
            phase = at % 2
            found.append((tap, (out, phase, at // 2 + phase + reach // 2)))
    return found


def fold_norm(conv: nn.Module, norm: nn.Module) -> nn.Module:
    """A new convolution equal to `norm(conv(x))` with the BatchNorm's running statistics (evaluation only)."""
    scale = norm.weight.detach().double() / torch.sqrt(norm.running_var.double() + norm.eps)
    axis = 1 if isinstance(conv, nn.ConvTranspose2d) else 0
    shape = [1] * conv.weight.dim()
    shape[axis] = -1
    folded = _like(conv)
    folded.weight.data = (conv.weight.detach().double() * scale.reshape(shape)).to(conv.weight.dtype)
    bias = (conv.bias.detach().double() - norm.running_mean.double()) * scale + norm.bias.detach().double()
    folded.bias.data = bias.to(conv.weight.dtype)
    return folded


def _like(conv: nn.Module) -> nn.Module:
    shape = (conv.in_channels, conv.out_channels, conv.kernel_size, conv.stride, conv.padding)
    if isinstance(conv, nn.ConvTranspose2d):
        return nn.ConvTranspose2d(*shape, conv.output_padding)
    return type(conv)(*shape)
