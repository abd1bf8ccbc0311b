"""Wav2Lip as an animator."""

from limner.models.wav2lip.generator import Wav2Lip
from torch import nn


def build_network() -> nn.Module:
    """The 96-pixel generator with the published keys."""
    return Wav2Lip()
