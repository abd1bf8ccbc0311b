"""AdaAT, the adaptive affine transformation: every channel of a feature map scaled, turned and shifted on its own.

Zhang and Ding, "Adaptive Affine Transformation: A Simple and Effective Operation for Spatial Misaligned Image
Generation" (ACM MM 2022). The published operator samples the map as one volume with channels as depth and the sampler's
default half-pixel convention, while its grid is built for the corner convention; trained weights depend on both.
Along depth this comes to a fixed mix of two neighbouring channels. Mixing commutes with the spatial sampling, so the
volume is never built: channels are mixed once, then each is sampled in two dimensions.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

PUBLISHED_PI = 3.14159                       # the literal the weights were trained with


def mix_channels(feature: Tensor) -> Tensor:
    """Interpolate [B, C, H, W] along C at z_k = k C / (C - 1) - 1/2, zero outside: the volume's depth axis."""
    count = feature.shape[1]
    place = torch.arange(count, dtype=torch.float64) * count / (count - 1) - 0.5
    low = place.floor()
    upper = (place - low).to(feature)
    padded = F.pad(feature, (0, 0, 0, 0, 1, 1))
    index = (low.long() + 1).to(feature.device)
    upper = upper.view(1, -1, 1, 1)
    return padded[:, index] * (1 - upper) + padded[:, index + 1] * upper


def sample_channels(mixed: Tensor, theta: Tensor) -> Tensor:
    """Sample every channel of [B, C, H, W] with its own 2x3 matrix of `theta` [B, C, 2, 3], bilinear, zero outside."""
    batch, count, height, width = mixed.shape
    flat = mixed.reshape(batch * count, 1, height, width)
    grid = F.affine_grid(theta.flatten(0, 1), flat.shape, align_corners=True)
    return F.grid_sample(flat, grid, align_corners=False).view(batch, count, height, width)


class AdaAT(nn.Module):
    """Code [B, `code`] -> one similarity per channel -> the transformed feature map [B, `channels`, H, W]."""

    def __init__(self, code: int, channels: int):
        super().__init__()
        self.commn_linear = nn.Sequential(nn.Linear(code, code), nn.ReLU())
        self.scale = nn.Sequential(nn.Linear(code, channels), nn.Sigmoid())
        self.rotation = nn.Sequential(nn.Linear(code, channels), nn.Tanh())
        self.translation = nn.Sequential(nn.Linear(code, 2 * channels), nn.Tanh())

    def matrices(self, code: Tensor) -> Tensor:
        """[B, code] -> [B, C, 2, 3] in normalised coordinates (x, y in -1..1)."""
        code = self.commn_linear(code)
        scale, angle = 2 * self.scale(code), PUBLISHED_PI * self.rotation(code)
        shift = self.translation(code).unflatten(1, (-1, 2))
        cos, sin = scale * torch.cos(angle), scale * torch.sin(angle)
        rows = torch.stack([cos, -sin, shift[..., 0], sin, cos, shift[..., 1]], -1)
        return rows.unflatten(-1, (2, 3))

    def forward(self, feature: Tensor, code: Tensor) -> Tensor:
        return sample_channels(mix_channels(feature), self.matrices(code))
