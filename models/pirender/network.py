"""PIRenderer (Ren et al., ICCV 2021): 3DMM coefficients move a portrait by a mapping, a warping and an editing network.

`Source` is everything that depends on the picture alone; a stream computes it once. Attribute names are the published
state-dict keys.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .layers import AdainDown, AdainResiduals, AdainUp, ConvNorm, MapNorm

COEFFICIENTS = 73                                # 64 expression, 3 rotation, 3 translation, 3 crop
WINDOW = 27                                      # frames


@dataclass(frozen=True, slots=True)
class Source:
    """A portrait [B, 3, H, W] in [-1, 1] with what both networks make of it before any motion is known."""

    image: Tensor
    normalised: Tensor                           # first map of the warping network, instance-normalised
    edited: Tensor                               # the picture's share of the editing network's first convolution


@dataclass(frozen=True, slots=True)
class Rendered:
    """The final picture and the steps to it."""

    image: Tensor                                # [B, 3, H, W] in [-1, 1]
    warped: Tensor                               # [B, 3, H, W]
    flow: Tensor                                 # [B, 2, H/4, W/4] px of that grid
    descriptor: Tensor                           # [B, 256, 1]


class Mapping(nn.Module):
    """[B, 73, 27] -> [B, 256, 1]: unpadded convolutions over time, each block's input added back in the middle."""

    def __init__(self):
        super().__init__()
        self.first = nn.Sequential(nn.Conv1d(COEFFICIENTS, 256, 7))
        for i in range(3):
            block = nn.Sequential(nn.LeakyReLU(0.1), nn.Conv1d(256, 256, 3, dilation=3))
            self.add_module(f"encoder{i}", block)

    def forward(self, window: Tensor) -> Tensor:
        x = self.first(window)
        for i in range(3):
            x = getattr(self, f"encoder{i}")(x) + x[:, :, 3:-3]
        return x.mean(dim=2, keepdim=True)


class HourglassEncoder(nn.Module):
    """Five halvings; returns every map."""

    def __init__(self):
        super().__init__()
        self.input_layer = nn.Conv2d(3, 32, 7, 1, 3)
        before = 32
        for i, channels in enumerate((64, 128, 256, 256, 256)):
            self.add_module(f"encoder{i}", AdainDown(before, channels))
            before = channels

    def forward(self, normalised: Tensor, z: Tensor) -> list[Tensor]:
        first: AdainDown = self.encoder0
        maps = [first.after(first.norm_0.modulate(normalised, z), z)]
        for i in range(1, 5):
            maps.append(getattr(self, f"encoder{i}")(maps[-1], z))
        return maps


class HourglassDecoder(nn.Module):
    """Three doublings, the encoder's map of each resolution put beside."""

    def __init__(self):
        super().__init__()
        self.decoder4, self.decoder3, self.decoder2 = AdainUp(256, 256), AdainUp(512, 256), AdainUp(512, 128)

    def forward(self, maps: list[Tensor], z: Tensor) -> Tensor:
        x = maps[4]
        for i in (4, 3, 2):
            x = torch.cat([getattr(self, f"decoder{i}")(x, z), maps[i - 1]], dim=1)
        return x


class Hourglass(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder, self.decoder = HourglassEncoder(), HourglassDecoder()


class Warping(nn.Module):
    """Descriptor and portrait to a flow at a quarter of the size."""

    def __init__(self):
        super().__init__()
        self.hourglass = Hourglass()
        self.flow_out = nn.Sequential(MapNorm(256), nn.LeakyReLU(0.1), nn.Conv2d(256, 2, 7, 1, 3))

    def forward(self, source: Source, z: Tensor) -> Tensor:
        maps = self.hourglass.encoder(source.normalised, z)
        return self.flow_out(self.hourglass.decoder(maps, z))


class EditingEncoder(nn.Module):
    """Three halvings by average pooling; returns every map."""

    def __init__(self):
        super().__init__()
        self.first = ConvNorm(6, 64, 7)
        self.down0, self.down1, self.down2 = ConvNorm(64, 128), ConvNorm(128, 256), ConvNorm(256, 256)

    def share(self, image: Tensor) -> Tensor:
        """What the portrait contributes to the first convolution, bias included."""
        conv = self.first.model[0]
        return F.conv2d(image, conv.weight[:, :3], conv.bias, padding=3)

    def forward(self, share: Tensor, warped: Tensor) -> list[Tensor]:
        conv, norm, active = self.first.model
        maps = [active(norm(share + F.conv2d(warped, conv.weight[:, 3:], padding=3)))]
        for i in range(3):
            maps.append(F.avg_pool2d(getattr(self, f"down{i}")(maps[-1]), 2))
        return maps


class EditingDecoder(nn.Module):
    """Three doublings (nearest) steered by the descriptor, with a convolved shortcut at each resolution."""

    def __init__(self):
        super().__init__()
        for i, (inputs, outputs) in enumerate(((128, 64), (256, 128), (256, 256))):
            self.add_module(f"up{i}", ConvNorm(inputs, outputs))
            self.add_module(f"res{i}", AdainResiduals(inputs))
            self.add_module(f"jump{i}", ConvNorm(outputs, outputs))
        self.final = nn.Module()
        self.final.model = nn.Sequential(nn.Conv2d(64, 3, 7, 1, 3), nn.Tanh())

    def forward(self, maps: list[Tensor], z: Tensor) -> Tensor:
        x = maps[3]
        for i in (2, 1, 0):
            x = F.interpolate(getattr(self, f"res{i}")(x, z), scale_factor=2.0)
            x = getattr(self, f"up{i}")(x) + getattr(self, f"jump{i}")(maps[i])
        return self.final.model(x)


class Editing(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder, self.decoder = EditingEncoder(), EditingDecoder()


def displace(image: Tensor, flow: Tensor) -> Tensor:
    """Warp `image` by a flow at a fraction of its size.

    The grid has its ends at -1 and 1 but is sampled with pixel centres, as the published weights were trained.
    """
    height, width = flow.shape[-2:]
    like = {"dtype": flow.dtype, "device": flow.device}
    column = torch.linspace(-1, 1, width, **like).expand(height, width)
    row = torch.linspace(-1, 1, height, **like)[:, None].expand(height, width)
    scale = torch.tensor([2 / (width - 1), 2 / (height - 1)], **like).view(1, 2, 1, 1)
    grid = torch.stack([column, row]) + flow * scale
    grid = F.interpolate(grid, size=image.shape[-2:], mode="bilinear", align_corners=False)
    return F.grid_sample(image, grid.permute(0, 2, 3, 1), mode="bilinear", padding_mode="zeros", align_corners=False)


class PIRenderer(nn.Module):
    """(image [B, 3, H, W] in [-1, 1], coefficients [B, 73, 27]) -> picture; H and W multiples of 32, trained at 256."""

    def __init__(self):
        super().__init__()
        self.mapping_net, self.warpping_net, self.editing_net = Mapping(), Warping(), Editing()

    def prepare(self, image: Tensor) -> Source:
        """What depends on the portrait alone."""
        first = self.warpping_net.hourglass.encoder.input_layer(image)
        return Source(image, F.instance_norm(first), self.editing_net.encoder.share(image))

    def render(self, source: Source, window: Tensor) -> Rendered:
        """Draw a prepared portrait with a window of coefficients."""
        descriptor = self.mapping_net(window)
        z = descriptor[..., 0]
        flow = self.warpping_net(source, z)
        warped = displace(source.image, flow)
        maps = self.editing_net.encoder(source.edited, warped)
        return Rendered(self.editing_net.decoder(maps, z), warped, flow, descriptor)

    def forward(self, image: Tensor, coeff: Tensor) -> Tensor:
        return self.render(self.prepare(image), coeff).image
