"""RestoreFormer as a frame stage."""

from pathlib import Path

from limner.models.restoration import runner
from limner.models.restoration.live import RestorationStage
from limner.models.restoration.restoreformer import RestoreFormer

PREFIXES = ("module.", "vqvae.")                 # the authors' own checkpoint keeps the autoencoder inside a trainer


def build_network() -> RestoreFormer:
    """The published network."""
    return RestoreFormer()


def create(*, weights: Path | None = None, budget_ms: float | None = None, device: str = "auto") -> RestorationStage:
    """A stage that keeps to `budget_ms` per frame on average. Raises WeightsError."""
    return share(weights=weights, device=device)(budget_ms)


def share(*, weights: Path | None = None, device: str = "auto") -> runner.MakeStage:
    """`create` for many sessions: around one network."""
    return runner.maker("restoreformer", build_network, weights, device, prefixes=PREFIXES)
