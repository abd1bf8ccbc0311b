"""The bridge: a small causal network from log-mel rows to Deep Speech's 29 logits, 78 ms behind the sound.

It is distilled from a user's own Deep Speech graph (`limner train bridge`) and stands in for it where half a second of
delay is too much. Dilated causal convolutions after van den Oord et al., "WaveNet" (2016); all look-ahead is in the
first layer.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .deepspeech import LETTERS

MELS, WIDTH = 80, 192
REACH = 6                                    # mel rows (10 ms) of future and of past the first layer sees
_DILATIONS = (1, 2, 4, 8, 16, 1, 2, 4)
Cache = list[Tensor]


class _Block(nn.Module):
    """x + mix(gelu(conv(norm(x)))), the convolution seeing only rows up to its own."""

    def __init__(self, dilation: int):
        super().__init__()
        self.history = 2 * dilation
        self.norm = nn.LayerNorm(WIDTH)
        self.conv = nn.Conv1d(WIDTH, WIDTH, 3, dilation=dilation)
        self.mix = nn.Conv1d(WIDTH, WIDTH, 1)

    def forward(self, x: Tensor, past: Tensor) -> tuple[Tensor, Tensor]:
        y = torch.cat([past, self.norm(x.mT).mT], 2)
        return x + self.mix(F.gelu(self.conv(y))), y[:, :, -self.history:]


class Bridge(nn.Module):
    """Log-mel rows [B, T, 80] at 100 Hz -> logits [B, J, 29] at 50 Hz.

    Logit j belongs to mel row 2 j and needs mel rows up to 2 j + 6. `cache` carries a stream from call to call: the
    answer of any split of the rows is that of one pass. `mel_mean` and `mel_scale` are set from the training sound.
    """

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv1d(MELS, WIDTH, 2 * REACH + 1, stride=2)
        self.blocks = nn.ModuleList(_Block(dilation) for dilation in _DILATIONS)
        self.output = nn.Conv1d(WIDTH, LETTERS, 1)
        self.register_buffer("mel_mean", torch.zeros(MELS))
        self.register_buffer("mel_scale", torch.ones(MELS))

    def start(self, batch: int = 1) -> Cache:
        """The cache before the first row: silence of the network's own making (zeros)."""
        like = self.mel_mean
        past = [like.new_zeros(batch, WIDTH, block.history) for block in self.blocks]
        return [like.new_zeros(batch, MELS, REACH), *past]

    def forward(self, mel: Tensor, cache: Cache | None = None) -> tuple[Tensor, Cache]:
        held, *pasts = self.start(len(mel)) if cache is None else cache
        x = torch.cat([held, ((mel - self.mel_mean) * self.mel_scale).mT], 2)
        count = max(0, (x.shape[2] - 2 * REACH - 1) // 2 + 1)
        if not count:
            return x.new_zeros(len(mel), 0, LETTERS), [x, *pasts]
        y = F.gelu(self.stem(x))
        kept = []
        for block, past in zip(self.blocks, pasts, strict=True):
            y, past = block(y, past)
            kept.append(past)
        return self.output(y).mT, [x[:, :, 2 * count:], *kept]
