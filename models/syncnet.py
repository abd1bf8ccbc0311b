"""Lip-sync networks: do these lips go with this voice?

`dinet`: the expert of DINet's training (AAAI 2023). `wav2lip`: the expert of Wav2Lip (ACM MM 2020). `v2`: the original
SyncNet, Chung and Zisserman, "Out of time: automated lip sync in the wild" (ACCV 2016 workshop), by whose distances
the field reports LSE-D and LSE-C. Module names are the keys of the published checkpoints.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from limner.engine.errors import UsageError

from .blocks import ConvBlock, ConvNorm, PreActResidual
from .wav2lip.generator import speech_encoder


class _PoolConv(ConvNorm):
    def forward(self, x: Tensor) -> Tensor:
        return F.avg_pool2d(super().forward(x), 2)


class _FaceTower(nn.Module):
    """Mouth crops of five frames [B, 15, S, S] -> [B, 128, S/32, S/32]."""

    def __init__(self):
        super().__init__()
        layers = [ConvNorm(15, 64, 7, norm=False)]
        for level in range(5):
            width = 64 if level == 0 else 128
            last = 1 if level == 4 else 3
            layers += [PreActResidual(width, norm=False), _PoolConv(width, width, 3, norm=False),
                       ConvNorm(width, 128, last, norm=False)]
        self.face_conv = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return self.face_conv(x)


class _SpeechTower(nn.Module):
    """[B, 29, T] -> [B, 128]."""

    def __init__(self):
        super().__init__()
        layers: list[nn.Module] = [ConvNorm(29, 128, 7, dims=1, norm=False)]
        for _ in range(3):
            layers += [PreActResidual(128, dims=1, norm=False), ConvNorm(128, 128, 3, stride=2, dims=1, norm=False)]
        self.audio_conv = nn.Sequential(*layers, ConvNorm(128, 128, 3, dims=1, norm=False))

    def forward(self, x: Tensor) -> Tensor:
        return self.audio_conv(x).mean(2)


class DINetSync(nn.Module):
    """Mouth crops [B, 15, S, S] (five RGB frames, 0..1) and logits [B, 29, 9] -> score map [B, 1, S/32, S/32]."""

    def __init__(self):
        super().__init__()
        self.face_encoder = _FaceTower()
        self.audio_encoder = _SpeechTower()
        self.merge_encoder = nn.Sequential(nn.Conv2d(256, 128, 3, padding=1), nn.LeakyReLU(0.2),
                                           nn.Conv2d(128, 1, 3, padding=1))

    def forward(self, image: Tensor, audio: Tensor) -> Tensor:
        face, speech = self.face_encoder(image), self.audio_encoder(audio)
        tiled = speech[:, :, None, None].expand(-1, -1, *face.shape[2:])
        return self.merge_encoder(torch.cat([face, tiled], 1))


class Agreement(NamedTuple):
    """Unit vectors [B, 512] of voice and lips, and their cosine [B] (never negative: both towers end in a ReLU)."""

    audio: Tensor
    video: Tensor
    cos: Tensor


class Wav2LipSync(nn.Module):
    """Mel window [B, 1, 80, 16] and lower halves of five BGR frames [B, 15, 48, 96] in 0..1 -> `Agreement`."""

    def __init__(self):
        super().__init__()
        layers = [ConvBlock(15, 32, 7, 1, 3)]
        plan = ((32, 64, 5, (1, 2), 2), (64, 128, 3, 2, 3), (128, 256, 3, 2, 2), (256, 512, 3, 2, 2))
        for inputs, outputs, kernel, stride, residuals in plan:
            layers.append(ConvBlock(inputs, outputs, kernel, stride, 1))
            layers += [ConvBlock(outputs, outputs, 3, 1, 1, residual=True) for _ in range(residuals)]
        layers += [ConvBlock(512, 512, 3, 2, 1), ConvBlock(512, 512, 3), ConvBlock(512, 512, 1)]
        self.face_encoder = nn.Sequential(*layers)
        self.audio_encoder = speech_encoder((2, 2, 2, 2))

    def forward(self, mel: Tensor, face: Tensor) -> Agreement:
        audio = F.normalize(self.audio_encoder(mel).flatten(1), dim=1)
        video = F.normalize(self.face_encoder(face).flatten(1), dim=1)
        return Agreement(audio, video, F.cosine_similarity(audio, video))


class Embeddings(NamedTuple):
    """Joint-space vectors [B, 1024] of lips and voice, and the lip tower's feature [B, 512]."""

    lip: Tensor
    aud: Tensor
    lipfeat: Tensor


def _head() -> nn.Sequential:
    return nn.Sequential(nn.Linear(512, 512), nn.BatchNorm1d(512), nn.ReLU(), nn.Linear(512, 1024))


def _tower(conv, norm, plan: list) -> nn.Sequential:
    """Each entry is a pooling layer, or the arguments of a convolution that gets a norm and a ReLU behind it."""
    layers: list[nn.Module] = []
    for entry in plan:
        layers += [entry] if isinstance(entry, nn.Module) else [conv(*entry), norm(entry[1]), nn.ReLU()]
    return nn.Sequential(*layers)


class SyncNetV2(nn.Module):
    """Five frames of lips [B, 3, 5, 224, 224] (BGR, 0..255) and 13 MFCC x 20 rows [B, 1, 13, 20] -> `Embeddings`."""

    def __init__(self):
        super().__init__()
        same3 = ((1, 3, 3), 1, (0, 1, 1))
        self.netcnnlip = _tower(nn.Conv3d, nn.BatchNorm3d, [
            (3, 96, (5, 7, 7), (1, 2, 2)), nn.MaxPool3d((1, 3, 3), (1, 2, 2)),
            (96, 256, (1, 5, 5), (1, 2, 2), (0, 1, 1)), nn.MaxPool3d((1, 3, 3), (1, 2, 2), (0, 1, 1)),
            (256, 256, *same3), (256, 256, *same3), (256, 256, *same3), nn.MaxPool3d((1, 3, 3), (1, 2, 2)),
            (256, 512, (1, 6, 6))])
        self.netcnnaud = _tower(nn.Conv2d, nn.BatchNorm2d, [
            (1, 64, 3, 1, 1), nn.MaxPool2d(1, 1),
            (64, 192, 3, 1, 1), nn.MaxPool2d(3, (1, 2)),
            (192, 384, 3, 1, 1), (384, 256, 3, 1, 1), (256, 256, 3, 1, 1), nn.MaxPool2d(3, 2),
            (256, 512, (5, 4))])
        self.netfclip, self.netfcaud = _head(), _head()

    def embed_lips(self, lip: Tensor) -> tuple[Tensor, Tensor]:
        """-> (joint vector [B, 1024], tower feature [B, 512])."""
        feature = self.netcnnlip(lip).flatten(1)
        return self.netfclip(feature), feature

    def embed_voice(self, aud: Tensor) -> Tensor:
        return self.netfcaud(self.netcnnaud(aud).flatten(1))

    def forward(self, lip: Tensor, aud: Tensor) -> Embeddings:
        joint, feature = self.embed_lips(lip)
        return Embeddings(joint, self.embed_voice(aud), feature)


NETWORKS = {"dinet": DINetSync, "wav2lip": Wav2LipSync, "v2": SyncNetV2}


def build_network(variant: str = "v2") -> nn.Module:
    """The network called `variant` ("dinet", "wav2lip" or "v2"); raises UsageError for another name."""
    if variant not in NETWORKS:
        raise UsageError(f"no lip-sync network is called {variant!r}; choose one of {', '.join(NETWORKS)}")
    return NETWORKS[variant]()
