"""AMT as a frame stage."""

from limner.engine.errors import UsageError
from limner.models.amt.network import AMT, SIZES
from torch import nn


def build_network(variant: str = "amt_s") -> nn.Module:
    """The published network `amt_s`, `amt_l` or `amt_g`. UsageError for any other name."""
    if variant not in SIZES:
        raise UsageError(f"AMT variant {variant!r}: expected one of {', '.join(SIZES)}")
    return AMT(variant)
