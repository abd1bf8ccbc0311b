"""CodeFormer as a frame stage."""

from limner.models.restoration.codeformer import CodeFormer
from torch import nn


def build_network() -> nn.Module:
    """The published network."""
    return CodeFormer()
