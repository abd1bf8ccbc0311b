"""GFPGAN as a frame stage: whole faces, or the mouth alone at less than half the work."""

from pathlib import Path

from torch import Tensor

from limner.models.restoration import runner
from limner.models.restoration.gfpgan import CELLS, GFPGAN, HALO, SIZE
from limner.models.restoration.live import MOUTH, RestorationStage

MOUTH_COST = 0.46                                # of a whole face, by FLOPs
_CELL = SIZE // CELLS


def build_network() -> GFPGAN:
    """The published network, versions 1.3 and 1.4."""
    return GFPGAN()


def mouth(network: GFPGAN, x: Tensor) -> Tensor:
    """`MOUTH` of the restored face, equal to that part of the whole."""
    top, left, bottom, right = (edge // _CELL for edge in MOUTH)
    window = top - HALO, left - HALO, bottom + HALO, right + HALO
    edge = HALO * _CELL
    return network.restore(x, pyramid=False, window=window).image[..., edge:-edge, edge:-edge]


def create(*, weights: Path | None = None, budget_ms: float | None = None, device: str = "auto") -> RestorationStage:
    """A stage that keeps to `budget_ms` per frame on average (None: whole faces always). Raises WeightsError."""
    return share(weights=weights, device=device)(budget_ms)


def share(*, weights: Path | None = None, device: str = "auto") -> runner.MakeStage:
    """`create` for many sessions: around one network."""
    return runner.maker("gfpgan", build_network, weights, device, mouth=mouth, mouth_cost=MOUTH_COST)
