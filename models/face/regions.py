"""Soft regions of the face, as functions of canonical coordinates in centimetres."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

LIP_LINE = -4.27         # cm, height of the canonical mouth's corners


def smoothstep(start: ArrayLike, stop: ArrayLike, x: ArrayLike) -> NDArray[np.float64]:
    """0 at `start`, 1 at `stop`, with flat ends; `stop` may be below `start`."""
    t = np.clip((np.asarray(x, float) - start) / (np.asarray(stop, float) - start), 0, 1)
    return t * t * (3 - 2 * t)


@dataclass(frozen=True, slots=True)
class Regions:
    """Weights [V] in [0, 1] at canonical points [V, 3]; `left` is the person's left half."""

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    z: NDArray[np.float64]
    left: NDArray[np.float64]
    below: NDArray[np.float64]               # under the lip line
    jaw: NDArray[np.float64]                 # turns with the jaw
    upper: NDArray[np.float64]               # upper lip and the skin under the nose
    lower: NDArray[np.float64]               # lower lip down to the chin
    corner: NDArray[np.float64]              # both lip corners
    mouth: NDArray[np.float64]               # everything round the mouth

    def spot(self, x: float, y: float, sx: float, sy: float) -> NDArray[np.float64]:
        """A Gaussian on both halves, centred at (+-x, y), with standard widths sx, sy."""
        return np.exp(-(((np.abs(self.x) - x) / sx) ** 2) - ((self.y - y) / sy) ** 2)


def regions(points: NDArray[np.float32]) -> Regions:
    """The regions of canonical points [V, 3] cm."""
    x, y, z = points.astype(float).T
    side = np.abs(x)
    spread = 0.30 + 0.20 * smoothstep(0.8, 2.2, side) + 2.0 * smoothstep(1.9, 4.6, side)
    below = smoothstep(-1, 1, (LIP_LINE - y) / spread)
    jaw = below * smoothstep(-2.0, 1.2, z)
    upper = (1 - below) * smoothstep(-1.9, -3.3, y) * np.exp(-((side / 2.7) ** 4))
    lower = below * smoothstep(-7.6, -5.4, y) * np.exp(-((side / 2.8) ** 4))
    corner = np.exp(-(((side - 2.4) / 1.0) ** 2) - ((y - LIP_LINE) / 1.1) ** 2)
    mouth = np.exp(-((side / 3.4) ** 4) - ((y + 4.4) / 2.2) ** 4)
    return Regions(x, y, z, smoothstep(-0.7, 0.7, x), below, jaw, upper, lower, corner, mouth)
