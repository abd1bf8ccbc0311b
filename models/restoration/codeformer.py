"""CodeFormer (Zhou et al., NeurIPS 2022): a transformer predicts the codes of a VQ autoencoder from a poor face.

Attribute names are the published state-dict keys.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .vq import Attention, Codebook, Downsample, Residual, Upsample, group_norm

WIDTHS = (64, 128, 128, 256, 256, 512)           # of the autoencoder at 512, 256, .. 16
CODE = 256
WIDTH = 512                                      # of the transformer
FUSED = (32, 64, 128, 256)                       # resolutions at which the encoder's features are mixed in


@dataclass(frozen=True, slots=True)
class Restored:
    """The picture [B, 3, 512, 512] in about [-1, 1] and how it came about."""

    image: Tensor
    logits: Tensor                               # [B, 256, 1024]
    codes: Tensor                                # [B, 256]
    features: Tensor                             # [B, 256, 16, 16] of the encoder


class Chain(nn.Module):
    """Blocks one after the other; `keep` maps the index of a block to the resolution of its output."""

    def __init__(self, blocks: list[nn.Module], keep: dict[int, int]):
        super().__init__()
        self.blocks = nn.ModuleList(blocks)
        self.keep = keep


def encoder() -> Chain:
    """512 px to 16; the feature kept at each resolution is the last before halving."""
    blocks: list[nn.Module] = [nn.Conv2d(3, WIDTHS[0], 3, 1, 1)]
    keep, before, size = {}, WIDTHS[0], 512
    for width in WIDTHS:
        for _ in range(2):
            blocks.append(Residual(before, width))
            before = width
            if size == 16:
                blocks.append(Attention(width))
        if size > 16:
            keep[len(blocks) - 1] = size
            blocks.append(Downsample(width))
            size //= 2
    blocks += [Residual(before, before), Attention(before), Residual(before, before)]
    return Chain([*blocks, group_norm(before), nn.Conv2d(before, CODE, 3, 1, 1)], keep)


def generator() -> Chain:
    """16 to 512 px; features are mixed in after the first block of each resolution."""
    before, size = WIDTHS[-1], 16
    blocks: list[nn.Module] = [nn.Conv2d(CODE, before, 3, 1, 1)]
    blocks += [Residual(before, before), Attention(before), Residual(before, before)]
    keep = {}
    for width in reversed(WIDTHS):
        for i in range(2):
            blocks.append(Residual(before, width))
            before = width
            if size == 16:
                blocks.append(Attention(width))
            if i == 0:
                keep[len(blocks) - 1] = size
        if size < 512:
            blocks.append(Upsample(width))
            size *= 2
    return Chain([*blocks, group_norm(before), nn.Conv2d(before, 3, 3, 1, 1)], keep)


class Layer(nn.Module):
    """Pre-norm transformer layer; the position is added to queries and keys only."""

    def __init__(self):
        super().__init__()
        self.self_attn = nn.MultiheadAttention(WIDTH, 8)
        self.linear1, self.linear2 = nn.Linear(WIDTH, 2 * WIDTH), nn.Linear(2 * WIDTH, WIDTH)
        self.norm1, self.norm2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)

    def forward(self, x: Tensor, position: Tensor) -> Tensor:
        """x [positions, B, 512], position [positions, 1, 512]."""
        y = self.norm1(x)
        x = x + self.self_attn(y + position, y + position, y, need_weights=False)[0]
        return x + self.linear2(F.gelu(self.linear1(self.norm2(x))))


class Fuse(nn.Module):
    """Mixes the encoder's feature into the generator's: x + w (x * scale + shift)."""

    def __init__(self, channels: int):
        super().__init__()
        self.encode_enc = Residual(2 * channels, channels)
        self.scale, self.shift = self._head(channels), self._head(channels)

    @staticmethod
    def _head(channels: int) -> nn.Sequential:
        first, second = (nn.Conv2d(channels, channels, 3, 1, 1) for _ in range(2))
        return nn.Sequential(first, nn.LeakyReLU(0.2), second)

    def forward(self, feature: Tensor, x: Tensor, w: float) -> Tensor:
        mixed = self.encode_enc(torch.cat([feature, x], dim=1))
        return x + w * (x * self.scale(mixed) + self.shift(mixed))


def adapt(x: Tensor, to: Tensor) -> Tensor:
    """Adaptive instance normalisation: `x` with the per-channel mean and deviation of `to`."""
    def statistics(y: Tensor) -> tuple[Tensor, Tensor]:
        flat = y.flatten(2)
        deviation = (flat.var(dim=2) + 1e-5).sqrt()
        return flat.mean(dim=2)[..., None, None], deviation[..., None, None]

    mean, deviation = statistics(x)
    mean_to, deviation_to = statistics(to)
    return (x - mean) / deviation * deviation_to + mean_to


class CodeFormer(nn.Module):
    """[B, 3, 512, 512] RGB in [-1, 1], an aligned face; `w` from 0 (cleanest) to 1 (most faithful) -> restored face."""

    def __init__(self):
        super().__init__()
        self.encoder, self.generator, self.quantize = encoder(), generator(), Codebook()
        self.position_emb = nn.Parameter(torch.zeros(256, WIDTH))
        self.feat_emb = nn.Linear(CODE, WIDTH)
        self.ft_layers = nn.Sequential(*(Layer() for _ in range(9)))
        self.idx_pred_layer = nn.Sequential(nn.LayerNorm(WIDTH), nn.Linear(WIDTH, 1024, bias=False))
        channels = dict(zip((512, 256, 128, 64, 32, 16), WIDTHS, strict=True))
        self.fuse_convs_dict = nn.ModuleDict({str(size): Fuse(channels[size]) for size in FUSED})

    def encode(self, x: Tensor) -> tuple[Tensor, dict[int, Tensor]]:
        """Features [B, 256, 16, 16] and those kept on the way, by resolution."""
        kept = {}
        for i, block in enumerate(self.encoder.blocks):
            x = block(x)
            if self.encoder.keep.get(i) in FUSED:
                kept[self.encoder.keep[i]] = x
        return x, kept

    def predict(self, features: Tensor) -> Tensor:
        """Logits of the codes, [B, 256, 1024]."""
        x = self.feat_emb(features.flatten(2).permute(2, 0, 1))
        for layer in self.ft_layers:
            x = layer(x, self.position_emb[:, None])
        return self.idx_pred_layer(x).permute(1, 0, 2)

    def restore(self, x: Tensor, w: float = 0.5) -> Restored:
        """The restored face with its codes."""
        features, kept = self.encode(x)
        logits = self.predict(features)
        codes = logits.argmax(dim=2)
        y = adapt(self.quantize.look_up(codes, *features.shape[-2:]), features)
        for i, block in enumerate(self.generator.blocks):
            y = block(y)
            size = self.generator.keep.get(i)
            if size in FUSED and w > 0:
                y = self.fuse_convs_dict[str(size)](kept[size], y, w)
        return Restored(y, logits, codes, features)

    def forward(self, x: Tensor, w: float = 0.5) -> Tensor:
        return self.restore(x, float(w)).image
