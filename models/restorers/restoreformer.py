"""RestoreFormer as a frame stage."""

from limner.models.restoration.restoreformer import RestoreFormer
from torch import nn


def build_network() -> nn.Module:
    """The published network."""
    return RestoreFormer()
