"""GPEN as a frame stage."""

from pathlib import Path

from torch import Tensor
from torch.nn import functional as F

from limner.engine.errors import UsageError
from limner.models import weights as checkpoints
from limner.models.restoration import runner
from limner.models.restoration.gpen import GPEN
from limner.models.restoration.live import RestorationStage

VARIANTS = {"256": 256, "512": 512, "gpen256": 256, "gpen512": 512}
BLACK = (0, 0, 0)


def build_network(variant: str | int = "512") -> GPEN:
    """The published network for faces of 256 or 512 px. UsageError for any other variant."""
    if str(variant) not in VARIANTS:
        raise UsageError(f"GPEN variant {variant!r}: expected one of {', '.join(VARIANTS)}")
    return GPEN(VARIANTS[str(variant)])


def restore(network: GPEN, x: Tensor) -> Tensor:
    """[n, 3, 512, 512] at whatever size the network works."""
    small = F.interpolate(x, size=(network.size, network.size), mode="area")
    return F.interpolate(network(small), size=x.shape[-2:], mode="bicubic", align_corners=False)


def create(*, weights: Path | None = None, budget_ms: float | None = None, device: str = "auto") -> RestorationStage:
    """A stage that keeps to `budget_ms` per frame on average; the checkpoint tells its own size. Raises WeightsError."""
    return share(weights=weights, device=device)(budget_ms)


def share(*, weights: Path | None = None, device: str = "auto") -> runner.MakeStage:
    """`create` for many sessions: around one network."""
    found = [] if weights is None else [entry.name for entry in checkpoints.identify(weights)]
    name = "gpen256" if "gpen256" in found else "gpen512"
    return runner.maker(name, lambda: build_network(name), weights, device, restore, layout="arcface", border=BLACK)
