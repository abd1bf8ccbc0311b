"""Soft shadows that come and go with the expression: folds beside the nose, under the lower lip, at the lip corners."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from limner.engine.types import ARKIT_INDEX

from .fit import Mesh
from .regions import regions

_FOLDS = ("mouthSmile", "mouthStretch", "mouthDimple", "noseSneer")


@dataclass(frozen=True, slots=True)
class Shade:
    """Darkening [k, V] at full strength, and which weights drive each row."""

    fields: NDArray[np.float32]
    drive: NDArray[np.float32]               # [k, 52]

    def at(self, weights: NDArray[np.float32]) -> NDArray[np.float32]:
        """Brightness factor f32 [V]."""
        return 1 - np.minimum(self.drive @ weights, 1) @ self.fields


def build_shade(mesh: Mesh) -> Shade:
    """Shadow fields of one person's mesh."""
    r = regions(mesh.template.vertices)
    under = 0.13 * r.spot(0, -5.75, 1.7, 0.42)
    corner = 0.12 * r.spot(2.45, -4.35, 0.5, 0.45)
    fold = r.spot(2.55, -2.6, 0.45, 1.5) - 0.5 * r.spot(3.5, -1.4, 0.9, 1.0)
    rows = [(under, {"jawOpen": 1.0, "mouthShrugLower": 0.6, "mouthPucker": 0.4}),
            (corner, {"jawOpen": 0.8, "mouthPucker": 0.6, "mouthFunnel": 0.5}),
            (0.10 * fold * r.left, dict.fromkeys((n + "Left" for n in _FOLDS), 0.8)),
            (0.10 * fold * (1 - r.left), dict.fromkeys((n + "Right" for n in _FOLDS), 0.8))]
    drive = np.zeros((len(rows), len(ARKIT_INDEX)), np.float32)
    for row, (_, names) in zip(drive, rows, strict=True):
        for name, amount in names.items():
            row[ARKIT_INDEX[name]] = amount
    fields = np.stack([field for field, _ in rows]).astype(np.float32)
    return Shade(np.ascontiguousarray(fields[:, mesh.anchor] * mesh.follow), drive)
