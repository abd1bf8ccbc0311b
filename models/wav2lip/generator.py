"""The Wav2Lip generator: a face U-net whose bottleneck is the voice.

Prajwal et al., "A Lip Sync Expert Is All You Need for Speech to Lip Generation In the Wild" (ACM MM 2020).
Module names are the keys of the published checkpoints.
"""

import torch
from torch import Tensor, nn

from limner.models.blocks import ConvBlock, TransposedBlock


def _stage(inputs: int, outputs: int, kernel: int, stride: int, padding: int, residuals: int) -> nn.Sequential:
    first = ConvBlock(inputs, outputs, kernel, stride, padding)
    return nn.Sequential(first, *(ConvBlock(outputs, outputs, 3, 1, 1, residual=True) for _ in range(residuals)))


def _face_encoder() -> nn.ModuleList:
    """96 pixels down to 1, widths 16 to 512."""
    stages = [_stage(6, 16, 7, 1, 3, 0)]
    for width, residuals in ((16, 2), (32, 3), (64, 2), (128, 2), (256, 1)):
        stages.append(_stage(width, 2 * width, 3, 2, 1, residuals))
    bottom = nn.Sequential(ConvBlock(512, 512, 3), ConvBlock(512, 512, 1))
    return nn.ModuleList([*stages, bottom])


def speech_encoder(residuals: tuple[int, int, int, int]) -> nn.Sequential:
    """Mel window [B, 1, 80, 16] -> [B, 512, 1, 1]; `residuals` blocks after each of the first four widths."""
    layers: list[nn.Module] = []
    plan = ((1, 32, 1), (32, 64, (3, 1)), (64, 128, 3), (128, 256, (3, 2)))
    for (inputs, outputs, stride), count in zip(plan, residuals, strict=True):
        layers += _stage(inputs, outputs, 3, stride, 1, count)
    return nn.Sequential(*layers, ConvBlock(256, 512, 3), ConvBlock(512, 512, 1))


def _face_decoder() -> nn.ModuleList:
    """1 pixel up to 96; every stage meets the encoder's map of its size behind it."""
    first = nn.Sequential(ConvBlock(512, 512, 1))
    second = nn.Sequential(TransposedBlock(1024, 512, 3), ConvBlock(512, 512, 3, 1, 1, residual=True))
    stages = [first, second]
    for inputs, outputs in ((1024, 512), (768, 384), (512, 256), (320, 128), (160, 64)):
        residual = (ConvBlock(outputs, outputs, 3, 1, 1, residual=True) for _ in range(2))
        stages.append(nn.Sequential(TransposedBlock(inputs, outputs, 3, 2, 1, 1), *residual))
    return nn.ModuleList(stages)


def fold_time(x: Tensor) -> Tensor:
    """[B, C, T, ...] -> [T B, C, ...]: all of the batch at the first instant, then at the next."""
    return torch.cat(x.unbind(2), 0)


def unfold_time(x: Tensor, batch: int) -> Tensor:
    """The way back: [T B, C, ...] -> [B, C, T, ...]."""
    return torch.stack(x.split(batch), 2)


class Wav2Lip(nn.Module):
    """Mel windows [B, 1, 80, 16] and faces [B, 6, 96, 96] (or both with a time axis T) -> faces [B, 3, 96, 96].

    Pictures are BGR in 0..1: three channels with the lower half blacked out, three of a reference. With time,
    mel is [B, T, 1, 80, 16], faces are [B, 6, T, 96, 96] and the answer is [B, 3, T, 96, 96].
    """

    def __init__(self):
        super().__init__()
        self.face_encoder_blocks = _face_encoder()
        self.audio_encoder = speech_encoder((2, 2, 2, 1))
        self.face_decoder_blocks = _face_decoder()
        self.output_block = nn.Sequential(ConvBlock(80, 32, 3, 1, 1), nn.Conv2d(32, 3, 1), nn.Sigmoid())

    def encode_face(self, face: Tensor) -> list[Tensor]:
        """[B, 6, 96, 96] -> the map after every encoder stage, largest first. Independent of the voice."""
        maps = []
        for stage in self.face_encoder_blocks:
            face = stage(face)
            maps.append(face)
        return maps

    def decode(self, speech: Tensor, maps: list[Tensor]) -> Tensor:
        """Speech [B, 512, 1, 1] and the encoder's maps -> [B, 3, 96, 96]."""
        x = speech
        for stage, skip in zip(self.face_decoder_blocks, reversed(maps), strict=True):
            x = torch.cat([stage(x), skip], 1)
        return self.output_block(x)

    def forward(self, mel: Tensor, face: Tensor) -> Tensor:
        if face.dim() == 4:
            return self.decode(self.audio_encoder(mel), self.encode_face(face))
        batch = face.shape[0]
        speech = self.audio_encoder(fold_time(mel.transpose(1, 2)))
        return unfold_time(self.decode(speech, self.encode_face(fold_time(face))), batch)
