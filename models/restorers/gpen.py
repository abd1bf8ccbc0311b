"""GPEN as a frame stage."""

from limner.engine.errors import UsageError
from limner.models.restoration.gpen import GPEN
from torch import nn

VARIANTS = {"256": 256, "512": 512, "gpen256": 256, "gpen512": 512}


def build_network(variant: str | int = "512") -> nn.Module:
    """The published network for faces of 256 or 512 px. UsageError for any other variant."""
    if str(variant) not in VARIANTS:
        raise UsageError(f"GPEN variant {variant!r}: expected one of {', '.join(VARIANTS)}")
    return GPEN(VARIANTS[str(variant)])
