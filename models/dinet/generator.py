"""The DINet generator: deformation of reference features, inpainting of the mouth.

Zhang et al., "DINet: Deformation Inpainting Network for Realistic Face Visually Dubbing on High Resolution Video"
(AAAI 2023). Module names are the keys of the published checkpoints.
"""

import torch
from torch import Tensor, nn

from limner.models.blocks import ConvNorm, PreActResidual, UpConvNorm

from .adaat import AdaAT

REFERENCES = 5
LOGITS = 29
CODE = 128


def _encoder(channels: int) -> nn.Sequential:
    return nn.Sequential(ConvNorm(channels, 64, 7), ConvNorm(64, 128, 3, stride=2), ConvNorm(128, 256, 3, stride=2))


def _alignment_encoder() -> nn.Sequential:
    layers = [(512, 3, 1), (CODE, 11, 1), (CODE, 11, 1), (CODE, 3, 2), (CODE, 7, 1), (CODE, 7, 1), (CODE, 3, 2),
              (CODE, 3, 1), (CODE, 3, 2), (CODE, 3, 1), (CODE, 3, 2)]
    return nn.Sequential(*(ConvNorm(inputs, CODE, kernel, stride=stride) for inputs, kernel, stride in layers))


def _audio_encoder(width: int) -> nn.Sequential:
    def down():
        return ConvNorm(CODE, CODE, 3, stride=2, dims=1)

    def residual():
        return PreActResidual(CODE, dims=1)
    return nn.Sequential(ConvNorm(width, CODE, 5, dims=1), residual(), down(), residual(), down(),
                         ConvNorm(CODE, CODE, 3, dims=1))


class DINet(nn.Module):
    """Masked source [B, 3, H, W], five references [B, 15, H, W], speech [B, 29, 5] -> RGB in 0..1.

    Any H and W: the answer measures 4 ceil(ceil(H / 2) / 2), and W alike. Pictures are RGB in 0..1, speech is
    Deep Speech logits of two feature rows before the drawn frame to two after.
    """

    def __init__(self):
        super().__init__()
        self.source_in_conv = _encoder(3)
        self.ref_in_conv = _encoder(3 * REFERENCES)
        self.trans_conv = _alignment_encoder()
        self.audio_encoder = _audio_encoder(LOGITS)
        stacks = (nn.Sequential(*(PreActResidual(256) for _ in range(4))) for _ in range(2))
        self.appearance_conv_list = nn.ModuleList(stacks)
        self.adaAT = AdaAT(2 * CODE, 256)
        self.out_conv = nn.Sequential(ConvNorm(512, 128, 3), UpConvNorm(128, 128, 3), PreActResidual(128),
                                      UpConvNorm(128, 128, 3), nn.Conv2d(128, 3, 7, 1, 3), nn.Sigmoid())

    def alignment(self, source: Tensor, reference: Tensor) -> Tensor:
        """Encoded source and references, each [B, 256, h, w] -> head alignment code [B, 128]."""
        return self.trans_conv(torch.cat([source, reference], 1)).mean((2, 3))

    def speech(self, audio: Tensor) -> Tensor:
        """[B, 29, T] -> speech code [B, 128]."""
        return self.audio_encoder(audio).mean(2)

    def forward(self, source: Tensor, reference: Tensor, audio: Tensor) -> Tensor:
        source, reference = self.source_in_conv(source), self.ref_in_conv(reference)
        code = torch.cat([self.alignment(source, reference), self.speech(audio)], 1)
        feature = self.adaAT(self.appearance_conv_list[0](reference), code)
        return self.out_conv(torch.cat([source, self.appearance_conv_list[1](feature)], 1))
