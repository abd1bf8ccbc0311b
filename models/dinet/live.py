"""DINet with everything that does not hear the voice done beforehand.

References and source frames are encoded once: the alignment code of every source frame, the appearance stack before
AdaAT with its channel mix, and the half of the decoder's first convolution that sees the source. A drawn frame then
runs the audio encoder, AdaAT, the second stack and the rest of the decoder: 130 of the plain network's 359 GFLOP at
416x320. BatchNorm is folded into convolutions, convolutions after upsampling run at the small size, and the layout is
channels-last, in which the CPU's convolutions are quickest.
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from limner.cuda.graph import Graphed
from limner.models.blocks import PhaseConv, PhaseTail, PreActResidual, fold_norm

from .adaat import mix_channels
from .generator import DINet
from .sampling import sampler

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
class Reference:
    """The reference frames of one portrait, encoded: [1, 256, h, w] each, `feature` as AdaAT samples it."""

    encoded: Tensor
    feature: Tensor


@dataclass(frozen=True, slots=True)
class Source:
    """One source frame, encoded: alignment code [1, 128], the decoder's first sum so far [1, 128, h, w], and the
    feature map its portrait's frames share."""

    code: Tensor
    partial: Tensor
    feature: Tensor


class LiveDINet:
    """`prepare` once per portrait or clip, `draw` once per frame. Equals `DINet.forward` to float32 rounding.

    Nothing of a portrait is kept here: one LiveDINet serves any number of them, and draws frames of several in one
    call, all of one size. `dtype` float16 or bfloat16 runs the second stack and the decoder in it; what decides where
    AdaAT samples stays float32.
    """

    def __init__(self, network: DINet, *, dtype: torch.dtype = torch.float32):
        self.network, self._dtype = network.eval(), dtype
        stack = nn.Sequential(*(_Residual(copy.deepcopy(block)) for block in network.appearance_conv_list[1]))
        entry = fold_norm(network.out_conv[0].conv, network.out_conv[0].norm)
        self.entry_source, entry_feature = _split(entry)
        ups = [PhaseConv(fold_norm(network.out_conv[i].conv, network.out_conv[i].norm)) for i in (1, 3)]
        decoder = {"stack": stack, "entry": entry_feature, "up": ups[0],
                   "residual": _Residual(copy.deepcopy(network.out_conv[2])), "tail": PhaseTail(ups[1], network.out_conv[4])}
        self._decoder = nn.ModuleDict(decoder).to(dtype=dtype, memory_format=LAST)
        self._sample = sampler(self.entry_source.weight.device)
        self._heard = nn.ModuleList([self._decoder, network.audio_encoder, network.adaAT])
        self._step = Graphed(self.decode, constants=self.constants)

    def prepare(self, references: Tensor, sources: Tensor) -> list[Source]:
        """Encode references [1, 15, H, W] and source frames [n, 3, H, W] one after another; returns n entries."""
        reference = self.refer(references)
        return [self.encode(source[None], reference) for source in sources]

    @torch.inference_mode()
    def refer(self, references: Tensor) -> Reference:
        """Encode reference frames [1, 15, H, W]."""
        encoded = self.network.ref_in_conv(references)
        return Reference(encoded, mix_channels(self.network.appearance_conv_list[0](encoded)))

    @torch.inference_mode()
    def encode(self, source: Tensor, reference: Reference) -> Source:
        """Encode one source frame [1, 3, H, W]."""
        encoded = self.network.source_in_conv(source)
        partial = self.entry_source(encoded.contiguous(memory_format=LAST)).to(self._dtype)
        return Source(self.network.alignment(encoded, reference.encoded), partial, reference.feature)

    def draw(self, source: Source, audio: Tensor) -> Tensor:
        """One frame: an encoded source and speech [1, 29, 5] -> [1, 3, H', W'] in 0..1."""
        return self.draw_many([source], audio)

    def draw_many(self, sources: Sequence[Source], heard: Tensor) -> Tensor:
        """Frames of any portraits, each with its own speech [n, 29, 5] -> [n, 3, H', W'], valid until the next call."""
        return self._step(*self.inputs(sources), heard)

    @torch.inference_mode()
    def inputs(self, sources: Sequence[Source]) -> tuple[Tensor, ...]:
        """What `decode` takes for these frames besides what is heard."""
        return tuple(_joined([getattr(each, part) for each in sources]) for part in ("feature", "partial", "code"))

    def constants(self) -> dict[str, Tensor]:
        """What a recording of `decode` reads and must stay in its place."""
        return dict(self._heard.named_parameters())

    @torch.inference_mode()
    def decode(self, feature: Tensor, partial: Tensor, code: Tensor, audio: Tensor) -> Tensor:
        """What depends on the voice. Fixed shapes, no decision on content: fit to be recorded."""
        part = self._decoder
        matrices = self.network.adaAT.matrices(torch.cat([code, self.network.speech(audio)], 1))
        deformed = self._sample(feature, matrices).to(self._dtype)
        x = part["stack"](deformed.contiguous(memory_format=LAST))
        x = F.relu(part["entry"](x).add_(partial), inplace=True)
        x = part["residual"](F.relu(part["up"](x), inplace=True))
        return torch.sigmoid_(part["tail"](x).float())


def _joined(tensors: Sequence[Tensor]) -> Tensor:
    return tensors[0] if len(tensors) == 1 else torch.cat(list(tensors))


def _split(conv: nn.Conv2d) -> tuple[nn.Conv2d, nn.Conv2d]:
    """A convolution of two maps side by side as the sum of two; the bias goes with the first."""
    half = conv.in_channels // 2
    parts = [nn.Conv2d(half, conv.out_channels, conv.kernel_size, padding=conv.padding, bias=i == 0) for i in (0, 1)]
    parts[0].weight.data, parts[1].weight.data = conv.weight[:, :half].data, conv.weight[:, half:].data
    parts[0].bias.data = conv.bias.data
    return parts[0].to(memory_format=LAST), parts[1].to(memory_format=LAST)
