"""DINet with everything that does not hear the voice done beforehand.

References and source frames are encoded once: the alignment code of every source frame, the appearance stack before
AdaAT with its channel mix, and the half of the decoder's first convolution that sees the source. A drawn frame then
runs the audio encoder, AdaAT, the second stack and the rest of the decoder: 130 of the plain network's 359 GFLOP at
416x320. BatchNorm is folded into convolutions, convolutions after upsampling run at the small size, and the layout is
channels-last, in which the CPU's convolutions are quickest.
"""

from dataclasses import dataclass

import torch
from limner.models.blocks import PhaseConv, PhaseTail, PreActResidual, fold_norm
from torch import Tensor, nn
from torch.nn import functional as F

from .adaat import mix_channels, sample_channels
from .generator import DINet

LAST = torch.channels_last


class _Residual(nn.Module):
    """`PreActResidual` in evaluation: the second norm folded, the first kept (a ReLU stands behind it)."""

    def __init__(self, block: PreActResidual):
        super().__init__()
        self.norm, self.first, self.second = block.norm1, fold_norm(block.conv1, block.norm2), block.conv2

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.norm(x), inplace=True)
        y = F.relu(self.first(y), inplace=True)
        return self.second(y).add_(x)


@dataclass(frozen=True, slots=True)
class Source:
    """One source frame, encoded: alignment code [1, 128] and the decoder's first sum so far [1, 128, h, w]."""

    code: Tensor
    partial: Tensor


class LiveDINet:
    """`prepare` once per portrait or clip, `draw` once per frame. Equals `DINet.forward` to float32 rounding."""

    def __init__(self, network: DINet):
        self.network = network.eval()
        self.stack = nn.Sequential(*(_Residual(block) for block in network.appearance_conv_list[1])).to(memory_format=LAST)
        entry = fold_norm(network.out_conv[0].conv, network.out_conv[0].norm)
        self.entry_source, self.entry_feature = _split(entry)
        ups = [PhaseConv(fold_norm(network.out_conv[i].conv, network.out_conv[i].norm)) for i in (1, 3)]
        self.up = ups[0].to(memory_format=LAST)
        self.residual = _Residual(network.out_conv[2]).to(memory_format=LAST)
        self.tail = PhaseTail(ups[1], network.out_conv[4]).to(memory_format=LAST)
        self.feature: Tensor | None = None

    @torch.inference_mode()
    def prepare(self, references: Tensor, sources: Tensor) -> list[Source]:
        """Encode references [1, 15, H, W] and source frames [n, 3, H, W] one after another; returns n entries."""
        reference = self.network.ref_in_conv(references)
        self.feature = mix_channels(self.network.appearance_conv_list[0](reference))
        return [self._encode(source[None], reference) for source in sources]

    def _encode(self, source: Tensor, reference: Tensor) -> Source:
        encoded = self.network.source_in_conv(source)
        partial = self.entry_source(encoded.contiguous(memory_format=LAST))
        return Source(self.network.alignment(encoded, reference), partial)

    @torch.inference_mode()
    def draw(self, source: Source, audio: Tensor) -> Tensor:
        """One frame: an encoded source and speech [1, 29, 5] -> [1, 3, H', W'] in 0..1."""
        code = torch.cat([source.code, self.network.speech(audio)], 1)
        deformed = sample_channels(self.feature, self.network.adaAT.matrices(code))
        x = self.stack(deformed.contiguous(memory_format=LAST))
        x = F.relu(self.entry_feature(x).add_(source.partial), inplace=True)
        x = self.residual(F.relu(self.up(x), inplace=True))
        return torch.sigmoid_(self.tail(x))


def _split(conv: nn.Conv2d) -> tuple[nn.Conv2d, nn.Conv2d]:
    """A convolution of two maps side by side as the sum of two; the bias goes with the first."""
    half = conv.in_channels // 2
    parts = [nn.Conv2d(half, conv.out_channels, conv.kernel_size, padding=conv.padding, bias=i == 0) for i in (0, 1)]
    parts[0].weight.data, parts[1].weight.data = conv.weight[:, :half].data, conv.weight[:, half:].data
    parts[0].bias.data = conv.bias.data
    return parts[0].to(memory_format=LAST), parts[1].to(memory_format=LAST)
