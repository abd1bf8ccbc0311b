"""DINet as an animator."""

from limner.models.dinet.generator import DINet
from torch import nn


def build_network() -> nn.Module:
    """The generator with the published keys; one network serves every mouth size."""
    return DINet()
