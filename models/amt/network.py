"""AMT: All-Pairs Multi-Field Transforms for Efficient Frame Interpolation (Li et al., CVPR 2023).

One class and a table of sizes. `encode` depends on one picture, `Pair` on two, `synthesize` on the instant as well,
so that a stream computes each of them once.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .correlation import VOLUME_LIMIT, OnDemand, Volume, correlate
from .decoders import Decoder, Update
from .encoders import ContentEncoder, CorrelationEncoder, pixel_grid, resize, warp

LEAST = 128                                      # px: below it the coarsest correlation level is one pixel wide


@dataclass(frozen=True, slots=True)
class Size:
    """The numbers in which the published variants differ."""

    stages: tuple[int, ...]                      # widths of the correlation encoder
    features: int                                # its output
    bottleneck: bool
    pyramid: tuple[int, int, int, int]
    fields: int                                  # flow pairs of the last refinement
    first_kernel: int                            # of the content pyramid
    hidden: int                                  # of an update block
    flow: int
    corr: tuple[int, ...]
    fused: int
    comb_kernel: int
    high: bool = False                           # a second update at each level's own resolution


SIZES = {
    "amt_s": Size((32, 64, 96), 84, True, (20, 32, 44, 56), 3, 3, 76, 20, (64,), 68, 3),
    "amt_l": Size((64, 72, 128), 128, False, (48, 64, 72, 128), 5, 7, 128, 48, (256, 160), 124, 7),
    "amt_g": Size((64, 112, 160, 160), 128, False, (84, 96, 112, 128), 5, 7, 192, 64, (256, 192), 188, 7, True),
}


@dataclass(frozen=True, slots=True)
class Features:
    """Everything AMT computes from one picture [B, 3, H, W] alone, the mean already taken off."""

    image: Tensor
    correlation: Tensor                          # [B, C, h/8, w/8], h x w the size the motion is estimated at
    content: list[Tensor]                        # at 1/2, 1/4, 1/8, 1/16 of h x w


@dataclass(frozen=True, slots=True)
class Pair:
    """Two pictures and their correlation: all that does not depend on the instant."""

    first: Features
    second: Features
    correlation: Volume | OnDemand
    mean: Tensor                                 # [B, 1, 1, 1], to be added back


@dataclass(frozen=True, slots=True)
class Motion:
    """What the motion branch hands to the last warps, and the flow and content at 1/8 on the way there."""

    flow0: Tensor                                # [B, 2 n, h, w] px, t -> 0, n fields
    flow1: Tensor
    mask: Tensor                                 # [B, n, h, w]
    residual: Tensor                             # [B, 3 n, h, w]
    coarse_flow0: Tensor                         # [B, 2, h/8, w/8]
    coarse_content: Tensor


class AMT(nn.Module):
    """`variant` is a key of SIZES. `volume_limit`: bytes of correlation above which it is computed on demand."""

    def __init__(self, variant: str = "amt_s", volume_limit: int = VOLUME_LIMIT):
        super().__init__()
        self.size = s = SIZES[variant]
        self.volume_limit = volume_limit
        c1, c2, c3, c4 = s.pyramid
        self.feat_encoder = CorrelationEncoder(s.stages, s.features, s.bottleneck)
        self.encoder = ContentEncoder(s.pyramid, s.first_kernel)
        self.decoder4 = Decoder(2 * c4 + 1, 2 * c4, c3 + 4, c1)
        self.decoder3 = Decoder(3 * c3 + 4, 3 * c3, c2 + 4, c1)
        self.decoder2 = Decoder(3 * c2 + 4, 3 * c2, c1 + 4, c1)
        self.decoder1 = Decoder(3 * c1 + 4, 3 * c1, 8 * s.fields, c1)
        low = "_low" if s.high else ""
        self.update4 = self._update(c3, 1)
        self.add_module(f"update3{low}", self._update(c2, 2))
        self.add_module(f"update2{low}", self._update(c1, 4))
        if s.high:
            self.update3_high = self._update(c2, 1)
            self.update2_high = self._update(c1, 1)
        k, n = s.comb_kernel, s.fields
        self.comb_block = nn.Sequential(nn.Conv2d(3 * n, 6 * n, k, 1, k // 2), nn.PReLU(6 * n), nn.Conv2d(6 * n, 3, k, 1, k // 2))

    def _update(self, content: int, scale: int) -> Update:
        s = self.size
        return Update(content, s.hidden, s.flow, s.corr, s.fused, scale)

    def encode(self, image: Tensor, scale: float = 1.0) -> Features:
        """Features of pictures [B, 3, H, W] with the mean taken off; sides multiples of 16 / `scale`."""
        small = resize(image, scale)
        return Features(image, self.feat_encoder(small), self.encoder(small))

    def pair(self, first: Features, second: Features, mean: Tensor) -> Pair:
        """The two-picture part of the work."""
        return Pair(first, second, correlate(first.correlation, second.correlation, self.volume_limit), mean)

    def motion(self, pair: Pair, t: Tensor) -> Motion:
        """Flows, masks and residuals at the motion branch's own size for instants `t` [B]."""
        a, b = pair.first.content, pair.second.content
        flow0, flow1, content = self.decoder4.first(a[3], b[3], t)
        flow0, flow1, content = self._refine(pair, t, 1, flow0, flow1, content)
        coarse = flow0, content
        for level, decoder in ((2, self.decoder3), (4, self.decoder2)):
            f = 3 - level // 2                               # the content of the decoder's input: 1/8, then 1/4
            flow0, flow1, content = decoder.inner(content, a[f], b[f], flow0, flow1)
            flow0, flow1, content = self._refine(pair, t, level, flow0, flow1, content)
        n = self.size.fields
        last = self.decoder1.raw(content, a[0], b[0], flow0, flow1)
        d0, d1, mask, residual = last.split((2 * n, 2 * n, n, 3 * n), dim=1)
        flow0 = d0 + 2 * resize(flow0, 2).repeat(1, n, 1, 1)
        flow1 = d1 + 2 * resize(flow1, 2).repeat(1, n, 1, 1)
        return Motion(flow0, flow1, torch.sigmoid(mask), residual, *coarse)

    def _refine(self, pair: Pair, t: Tensor, level: int, flow0: Tensor, flow1: Tensor, content: Tensor) -> tuple[Tensor, ...]:
        """Look the flows up in the correlation and correct them; `level` is the resolution over 1/8."""
        small = torch.cat([resize(flow0, 1 / level), resize(flow1, 1 / level)], dim=1) / level
        grid = pixel_grid(*small.shape[-2:], small)
        t = t.view(-1, 1, 1, 1)
        corr = pair.correlation.read(grid + small[:, 2:] / t, grid + small[:, :2] / (1 - t))
        name = {1: "update4", 2: "update3", 4: "update2"}[level]
        low = f"{name}_low" if self.size.high and level > 1 else name
        d_content, d_flow = getattr(self, low)(content, small, corr)
        flows, content = torch.cat([flow0, flow1], dim=1) + d_flow, content + d_content
        if self.size.high and level > 1:
            d_content, d_flow = getattr(self, f"{name}_high")(content, flows, resize(corr, level))
            flows, content = flows + d_flow, content + d_content
        return flows[:, :2], flows[:, 2:], content

    def synthesize(self, pair: Pair, t: Tensor, scale: float = 1.0) -> Tensor:
        """The picture at instants `t` [B] in (0, 1), [B, 3, H, W] in [0, 1]."""
        motion = self.motion(pair, t)
        flow0, flow1 = (resize(f, 1 / scale) / scale for f in (motion.flow0, motion.flow1))
        mask, residual = resize(motion.mask, 1 / scale), resize(motion.residual, 1 / scale)
        n = self.size.fields
        fields = []
        for i in range(n):
            w0 = warp(pair.first.image, flow0[:, 2 * i:2 * i + 2])
            w1 = warp(pair.second.image, flow1[:, 2 * i:2 * i + 2])
            m = mask[:, i:i + 1]
            fields.append(m * w0 + (1 - m) * w1 + pair.mean + residual[:, 3 * i:3 * i + 3])
        merged = torch.stack(fields).mean(0)
        return (merged + self.comb_block(torch.cat(fields, dim=1))).clamp(0, 1)

    def forward(self, img0: Tensor, img1: Tensor, embt: Tensor, scale_factor: float = 1.0) -> Tensor:
        """Pictures [B, 3, H, W] in [0, 1] of any size and instants `embt` in (0, 1) -> pictures.

        One pair takes any number of instants and gives one picture for each; B pairs take one instant for all or one
        each. `scale_factor` below 1 estimates motion at that fraction of the size (for large pictures).
        """
        scale = float(scale_factor)
        t = torch.as_tensor(embt, dtype=img0.dtype, device=img0.device).reshape(-1)
        border = padding(*img0.shape[-2:], scale)
        img0, img1 = (F.pad(x, border, mode="replicate") for x in (img0, img1))
        mean = torch.cat([img0, img1], dim=1).mean(dim=(1, 2, 3), keepdim=True)
        pair = self.pair(self.encode(img0 - mean, scale), self.encode(img1 - mean, scale), mean)
        times = t[:, None] if len(img0) == 1 else t.expand(len(img0))[None]
        out = torch.cat([self.synthesize(pair, instant, scale) for instant in times])
        return crop(out, border)


def padding(height: int, width: int, scale: float = 1.0) -> tuple[int, int, int, int]:
    """(left, right, top, bottom) px that bring a picture to sides AMT accepts: multiples of 16 / scale, at least 128 / scale."""
    step, least = int(16 / scale), int(LEAST / scale)
    extra = [max(-side % step, -(-least // step) * step - side) for side in (width, height)]
    return extra[0] // 2, extra[0] - extra[0] // 2, extra[1] // 2, extra[1] - extra[1] // 2


def crop(x: Tensor, border: tuple[int, int, int, int]) -> Tensor:
    """Take `padding` off again."""
    left, right, top, bottom = border
    return x[..., top:x.shape[-2] - bottom, left:x.shape[-1] - right]
