"""Layers of PIRenderer. Attribute names are the published state-dict keys."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

DESCRIPTOR = 256                                 # width of the motion descriptor
SLOPE = 0.1


def lrelu(x: Tensor) -> Tensor:
    return F.leaky_relu(x, SLOPE)


class Adain(nn.Module):
    """Instance normalisation whose scale and offset come from the motion descriptor (Huang & Belongie 2017)."""

    def __init__(self, channels: int):
        super().__init__()
        self.mlp_shared = nn.Sequential(nn.Linear(DESCRIPTOR, 128), nn.ReLU())
        self.mlp_gamma, self.mlp_beta = nn.Linear(128, channels), nn.Linear(128, channels)

    def forward(self, x: Tensor, z: Tensor) -> Tensor:
        """x [B, C, H, W], z [B, 256]."""
        return self.modulate(F.instance_norm(x), z)

    def modulate(self, normalised: Tensor, z: Tensor) -> Tensor:
        """The part that depends on the descriptor."""
        shared = self.mlp_shared(z)
        gamma, beta = self.mlp_gamma(shared)[..., None, None], self.mlp_beta(shared)[..., None, None]
        return normalised * (1 + gamma) + beta


class MapNorm(nn.Module):
    """Layer normalisation over channels and positions together, one weight per channel."""

    def __init__(self, channels: int):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels, 1, 1))
        self.bias = nn.Parameter(torch.zeros(channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return F.layer_norm(x, x.shape[1:]) * self.weight + self.bias


class ConvNorm(nn.Module):
    """Convolution, `MapNorm`, leaky ReLU under the key `model`."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 3):
        super().__init__()
        conv = nn.Conv2d(inputs, outputs, kernel, 1, kernel // 2)
        self.model = nn.Sequential(conv, MapNorm(outputs), nn.LeakyReLU(SLOPE))

    def forward(self, x: Tensor) -> Tensor:
        return self.model(x)


class AdainDown(nn.Module):
    """Half the resolution: normalise, activate, convolve, twice."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.conv_0, self.conv_1 = nn.Conv2d(inputs, outputs, 4, 2, 1), nn.Conv2d(outputs, outputs, 3, 1, 1)
        self.norm_0, self.norm_1 = Adain(inputs), Adain(outputs)

    def forward(self, x: Tensor, z: Tensor) -> Tensor:
        return self.after(self.norm_0(x, z), z)

    def after(self, modulated: Tensor, z: Tensor) -> Tensor:
        """The rest of the block behind its first normalisation."""
        return self.conv_1(lrelu(self.norm_1(self.conv_0(lrelu(modulated)), z)))


class AdainUp(nn.Module):
    """Twice the resolution, residual; both branches end in a transposed convolution."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.conv_0 = nn.Conv2d(inputs, outputs, 3, 1, 1)
        self.conv_1 = nn.ConvTranspose2d(outputs, outputs, 3, 2, 1, 1)
        self.conv_s = nn.ConvTranspose2d(inputs, outputs, 3, 2, 1, 1)
        self.norm_0, self.norm_1, self.norm_s = Adain(inputs), Adain(outputs), Adain(inputs)

    def forward(self, x: Tensor, z: Tensor) -> Tensor:
        normalised = F.instance_norm(x)                              # both branches normalise the same map
        y = self.conv_0(lrelu(self.norm_0.modulate(normalised, z)))
        y = self.conv_1(lrelu(self.norm_1(y, z)))
        return y + self.conv_s(lrelu(self.norm_s.modulate(normalised, z)))


class AdainResidual(nn.Module):
    """x + norm2(conv2(x)). `conv1` and `norm1` are in the published files, but their result was never used."""

    def __init__(self, channels: int):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1), nn.Conv2d(channels, channels, 3, 1, 1)
        self.norm1, self.norm2 = Adain(channels), Adain(channels)

    def forward(self, x: Tensor, z: Tensor) -> Tensor:
        return x + self.norm2(self.conv2(x), z)


class AdainResiduals(nn.Module):
    """Two `AdainResidual`."""

    def __init__(self, channels: int):
        super().__init__()
        self.res0, self.res1 = AdainResidual(channels), AdainResidual(channels)

    def forward(self, x: Tensor, z: Tensor) -> Tensor:
        return self.res1(self.res0(x, z), z)
