"""Wav2Lip's visual quality discriminator."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .generator import fold_time


class _Block(nn.Module):
    def __init__(self, inputs: int, outputs: int, kernel: int, stride=1, padding=0):
        super().__init__()
        self.conv_block = nn.Sequential(nn.Conv2d(inputs, outputs, kernel, stride, padding))

    def forward(self, x: Tensor) -> Tensor:
        return F.leaky_relu(self.conv_block(x), 0.01)


class QualityDiscriminator(nn.Module):
    """Faces [B, 3, T, 96, 96], BGR in 0..1 -> chance that each lower half is real, [T B, 1] (time-major)."""

    def __init__(self):
        super().__init__()
        stages = [nn.Sequential(_Block(3, 32, 7, 1, 3)),
                  nn.Sequential(_Block(32, 64, 5, (1, 2), 2), _Block(64, 64, 5, 1, 2))]
        for inputs, outputs, kernel in ((64, 128, 5), (128, 256, 5), (256, 512, 3), (512, 512, 3)):
            pad = kernel // 2
            stages.append(nn.Sequential(_Block(inputs, outputs, kernel, 2, pad),
                                        _Block(outputs, outputs, kernel, 1, pad)))
        stages.append(nn.Sequential(_Block(512, 512, 3), _Block(512, 512, 1)))
        self.face_encoder_blocks = nn.ModuleList(stages)
        self.binary_pred = nn.Sequential(nn.Conv2d(512, 1, 1), nn.Sigmoid())

    def forward(self, faces: Tensor) -> Tensor:
        x = fold_time(faces)
        x = x[:, :, x.shape[2] // 2:]
        for stage in self.face_encoder_blocks:
            x = stage(x)
        return torch.flatten(self.binary_pred(x), 1)
