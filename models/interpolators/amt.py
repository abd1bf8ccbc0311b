"""AMT as a frame stage: motion-compensated pictures between frames."""

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from limner.engine.errors import UsageError
from limner.engine.types import Frame
from limner.models import devices
from limner.models import weights as checkpoints
from limner.models.amt.live import LiveAMT
from limner.models.amt.network import AMT, SIZES
from limner.models.retiming import RetimingStage

FALLBACK = "use blend, which needs none"


def build_network(variant: str = "amt_s") -> AMT:
    """The published network `amt_s`, `amt_l` or `amt_g`. UsageError for any other name."""
    if variant not in SIZES:
        raise UsageError(f"AMT variant {variant!r}: expected one of {', '.join(SIZES)}")
    return AMT(variant)


class AmtStage(RetimingStage):
    """Frames at `fps`, those in between drawn by a loaded network."""

    def __init__(self, fps: int | Fraction, live: LiveAMT):
        self.live = live
        super().__init__(fps)

    def push(self, frame: Frame) -> list[Frame]:
        self.live.ready(*frame.pixels.shape[:2], self.factor - 1)
        return super().push(frame)

    def between(self, first: NDArray[np.uint8], second: NDArray[np.uint8], times: Sequence[float]) -> list[NDArray[np.uint8]]:
        return self.live.between(first, second, times)

    def forget(self) -> None:
        super().forget()
        self.live.forget()


def load_network(path: Path | None) -> AMT:
    """The network whose checkpoint `path` is, told by its content. Raises WeightsError when absent or another's."""
    if path is None:
        raise checkpoints.missing_weights("amt_s", FALLBACK)
    found = [entry.name for entry in checkpoints.identify(path) if entry.name in SIZES]
    name = found[0] if found else "amt_s"
    return checkpoints.load_weights(build_network(name), path, name)


def create(*, fps: int | Fraction, weights: Path | None = None, device: str = "auto") -> AmtStage:
    """A stage giving `fps` frames per second with the checkpoint `weights` on `device` (auto, cpu, cuda:N)."""
    return share(weights=weights, device=device)(fps)


def share(*, weights: Path | None = None, device: str = "auto") -> Callable[[int | Fraction], AmtStage]:
    """`create` for many sessions: around one network."""
    network, chosen = load_network(weights), devices.choose(device)
    return lambda fps: AmtStage(fps, LiveAMT(network, chosen))
