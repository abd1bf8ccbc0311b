"""Cross-fade: the interpolator without weights, and the baseline the others are measured against."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from limner.models.retiming import RetimingStage


class BlendStage(RetimingStage):
    """Each picture in between is the weighted mean of its neighbours."""

    def between(self, first: NDArray[np.uint8], second: NDArray[np.uint8], times: Sequence[float]) -> list[NDArray[np.uint8]]:
        return [cv2.addWeighted(first, 1 - t, second, t, 0) for t in times]


def create(*, fps: int | Fraction, weights: Path | None = None, device: str = "auto") -> BlendStage:
    """A stage giving `fps` frames per second. It needs neither weights nor a device; both are accepted and unused."""
    return BlendStage(fps)
