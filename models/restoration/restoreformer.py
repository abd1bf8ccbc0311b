"""RestoreFormer (Wang et al., CVPR 2022): a VQ autoencoder whose decoder attends to the encoder's features.

Attribute names are the published state-dict keys.
"""

from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional as F

from .vq import Attention, Codebook, Downsample, Residual, Upsample, group_norm

WIDTHS = (64, 128, 128, 256, 256, 512)           # at 512, 256, .. 16
CODE = 256
SHORTCUT = "nin_shortcut"


@dataclass(frozen=True, slots=True)
class Restored:
    """The picture [B, 3, 512, 512] in about [-1, 1] and the index of every code, [B * 256]."""

    image: Tensor
    codes: Tensor


def attention() -> Attention:
    """Eight heads at 16x16."""
    return Attention(WIDTHS[-1], heads=8, cross=True)


def middle() -> nn.Module:
    """The bottleneck: residual, attention, residual."""
    module = nn.Module()
    module.block_1 = Residual(WIDTHS[-1], WIDTHS[-1])
    module.attn_1 = attention()
    module.block_2 = Residual(WIDTHS[-1], WIDTHS[-1])
    return module


def level(before: int, width: int, blocks: int, attend: bool) -> nn.Module:
    """Residual blocks of one resolution, each followed by attention where `attend`."""
    module = nn.Module()
    module.block = nn.ModuleList(Residual(before if i == 0 else width, width, SHORTCUT) for i in range(blocks))
    module.attn = nn.ModuleList(attention() for _ in range(blocks if attend else 0))
    return module


class Encoder(nn.Module):
    """[B, 3, 512, 512] -> [B, 256, 16, 16], and the features before and after the bottleneck."""

    def __init__(self):
        super().__init__()
        self.conv_in = nn.Conv2d(3, WIDTHS[0], 3, 1, 1)
        self.down, last, before = nn.ModuleList(), len(WIDTHS) - 1, WIDTHS[0]
        for i, width in enumerate(WIDTHS):
            stage = level(before, width, 2, attend=i == last)
            if i < last:
                stage.downsample = Downsample(width)
            self.down.append(stage)
            before = width
        self.mid = middle()
        self.norm_out = group_norm(before)
        self.conv_out = nn.Conv2d(before, CODE, 3, 1, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        x = self.conv_in(x)
        for stage in self.down:
            for i, block in enumerate(stage.block):
                x = block(x)
                x = stage.attn[i](x) if len(stage.attn) else x
            x = stage.downsample(x) if hasattr(stage, "downsample") else x
        x = wide = self.mid.block_1(x)
        x = deep = self.mid.block_2(self.mid.attn_1(x))
        return self.conv_out(F.silu(self.norm_out(x))), wide, deep


class Decoder(nn.Module):
    """[B, 256, 16, 16] -> [B, 3, 512, 512]; the encoder's features ask, the decoder's answer."""

    def __init__(self):
        super().__init__()
        before = WIDTHS[-1]
        self.conv_in = nn.Conv2d(CODE, before, 3, 1, 1)
        self.mid = middle()
        stages = []
        for i, width in reversed(list(enumerate(WIDTHS))):
            stage = level(before, width, 3, attend=i == len(WIDTHS) - 1)
            if i:
                stage.upsample = Upsample(width)
            stages.append(stage)
            before = width
        self.up = nn.ModuleList(reversed(stages))
        self.norm_out = group_norm(before)
        self.conv_out = nn.Conv2d(before, 3, 3, 1, 1)

    def forward(self, z: Tensor, wide: Tensor, deep: Tensor) -> Tensor:
        x = self.mid.block_1(self.conv_in(z))
        x = self.mid.block_2(self.mid.attn_1(x, deep))
        for stage in reversed(self.up):
            for i, block in enumerate(stage.block):
                x = block(x)
                x = stage.attn[i](x, wide) if len(stage.attn) else x
            x = stage.upsample(x) if hasattr(stage, "upsample") else x
        return self.conv_out(F.silu(self.norm_out(x)))


class RestoreFormer(nn.Module):
    """[B, 3, 512, 512] RGB in [-1, 1], an aligned face -> the restored face."""

    def __init__(self):
        super().__init__()
        self.encoder, self.decoder, self.quantize = Encoder(), Decoder(), Codebook()
        self.quant_conv = nn.Conv2d(CODE, CODE, 1)
        self.post_quant_conv = nn.Conv2d(CODE, CODE, 1)

    def restore(self, x: Tensor) -> Restored:
        """The restored face with its codes."""
        z, wide, deep = self.encoder(x)
        codes = self.quantize.nearest(self.quant_conv(z))
        z = self.post_quant_conv(self.quantize.look_up(codes, *z.shape[-2:]))
        return Restored(self.decoder(z, wide, deep), codes)

    def forward(self, x: Tensor) -> Tensor:
        return self.restore(x).image
