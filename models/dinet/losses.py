"""The losses of DINet's published training: VGG-19 perception at two scales, least-squares GAN."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

# torchvision's numbering of VGG-19 `features` (0 conv1_1, 1 ReLU, ... 29 ReLU after conv5_1): widths, "M" = max pool.
_VGG19 = (64, 64, "M", 128, 128, "M", 256, 256, 256, 256, "M", 512, 512, 512, 512, "M", 512)
_SLICES = ((0, 2), (2, 7), (7, 12), (12, 21), (21, 30))


class VGG19Features(nn.Module):
    """RGB in 0..1, [B, 3, H, W] -> the five maps after ReLU 1_1, 2_1, 3_1, 4_1 and 5_1 (Simonyan and Zisserman 2015)."""

    fixed_buffers = ("mean", "std")          # ImageNet's; files need not hold them

    def __init__(self):
        super().__init__()
        layers, inputs = [], 3
        for width in _VGG19:
            if width == "M":
                layers.append(nn.MaxPool2d(2))
                continue
            layers += [nn.Conv2d(inputs, width, 3, padding=1), nn.ReLU()]
            inputs = width
        for number, (first, end) in enumerate(_SLICES, 1):
            part = nn.Sequential()
            for index in range(first, end):
                part.add_module(str(index), layers[index])
            self.add_module(f"slice{number}", part)
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1))
        self.requires_grad_(False)

    def forward(self, x: Tensor) -> list[Tensor]:
        x = (x - self.mean) / self.std
        maps = []
        for part in (self.slice1, self.slice2, self.slice3, self.slice4, self.slice5):
            x = part(x)
            maps.append(x)
        return maps


def half_fake(x: Tensor) -> Tensor:
    """The drawn picture at half size: 3x3 mean, stride 2, padding not counted."""
    return F.avg_pool2d(x, 3, 2, 1, count_include_pad=False)


def half_real(x: Tensor) -> Tensor:
    """The true picture at half size: bilinear. Another filter than `half_fake`, as published."""
    return F.interpolate(x, scale_factor=0.5, mode="bilinear", align_corners=False)


def perception_loss(vgg: VGG19Features, fake: Tensor, real: Tensor) -> Tensor:
    """Ten times the mean over two scales and five maps of the L1 distance between VGG-19 features."""
    pairs = [(fake, real), (half_fake(fake), half_real(real))]
    terms = []
    for drawn, true in pairs:
        with torch.no_grad():
            targets = vgg(true)
        terms += [F.l1_loss(a, b) for a, b in zip(vgg(drawn), targets, strict=True)]
    return 10 * sum(terms) / len(terms)


def gan_loss(score: Tensor, real: bool) -> Tensor:
    """Least-squares GAN (Mao et al. 2017): mean squared distance of a score map to 1 (real) or 0."""
    return (score - float(real)).square().mean()
