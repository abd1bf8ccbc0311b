"""GFPGAN as a frame stage."""

from limner.models.restoration.gfpgan import GFPGAN
from torch import nn


def build_network() -> nn.Module:
    """The published network, versions 1.3 and 1.4."""
    return GFPGAN()
