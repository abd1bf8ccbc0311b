"""CodeFormer as a frame stage."""

from pathlib import Path

from limner.engine.errors import UsageError
from limner.models.restoration import runner
from limner.models.restoration.codeformer import CodeFormer
from limner.models.restoration.live import RestorationStage


def build_network() -> CodeFormer:
    """The published network."""
    return CodeFormer()


def create(*, weights: Path | None = None, budget_ms: float | None = None, device: str = "auto",
           fidelity: float = 0.5) -> RestorationStage:
    """A stage that keeps to `budget_ms` per frame on average. `fidelity` from 0 (cleanest) to 1 (most like the input).

    Raises WeightsError, UsageError for a fidelity outside 0..1.
    """
    return share(weights=weights, device=device, fidelity=fidelity)(budget_ms)


def share(*, weights: Path | None = None, device: str = "auto", fidelity: float = 0.5) -> runner.MakeStage:
    """`create` for many sessions: around one network."""
    if not 0 <= fidelity <= 1:
        raise UsageError(f"CodeFormer fidelity {fidelity}: expected 0 (cleanest) to 1 (most like the input)")
    return runner.maker("codeformer", build_network, weights, device, lambda network, x: network(x, fidelity))
