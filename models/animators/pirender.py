"""PIRenderer as an animator."""

from limner.models.pirender.network import PIRenderer
from torch import nn


def build_network() -> nn.Module:
    """The published network."""
    return PIRenderer()
