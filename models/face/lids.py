"""How lids move: each lid's edge travels a share of the person's own eye opening, its skin follows and thins upwards.

A shut eye meets on one curve near the lower lid. The skin between lid and brow carries the motion on: whole at the
lashes, so that they keep their shape, and nothing at the brow.
"""

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from .fit import Mesh
from .regions import smoothstep

LID_INPUTS = ("eyeBlink", "eyeSquint", "eyeWide", "eyeLookUp", "eyeLookDown")
# Share of the opening that each input takes from above and from below. The upper lid follows the gaze down
# (Becker & Fuchs 1988, J. Neurophysiol. 60:1227: lid and eye saccades move together).
_FROM_ABOVE = np.array([0.90, 0.16, -0.24, -0.12, 0.34], np.float32)
_FROM_BELOW = np.array([0.10, 0.30, -0.06, 0.05, -0.10], np.float32)


LASHES, BROW, FRAME = 0.26, 1.05, 0.85   # cm above the lid's edge: where lashes end, brow or a frame's rim begin


@dataclass(frozen=True, slots=True)
class LidRig:
    """One eye: paired lid vertices without the corners, and the skin that follows them."""

    upper: NDArray[np.int32]                 # [n]
    lower: NDArray[np.int32]                 # [n]
    near: NDArray[np.int32]                  # [m]
    slot: NDArray[np.float32]                # [m]
    above: NDArray[np.float32]               # [m] share of the upper edge's motion
    below: NDArray[np.float32]               # [m] share of the lower edge's motion
    fold: NDArray[np.float32]                # [m] cm that lashes sink towards the edge of a shut lid

    def apply(self, inputs: NDArray[np.float32], cm: NDArray[np.float32]) -> None:
        """Move the lids in `cm` [V, 3] for weights [5] in the order of LID_INPUTS."""
        down, up = lowered(inputs), float(_FROM_BELOW @ inputs)
        taken = down + up
        if taken > 1:                        # lids stop where they meet
            down, up = down / taken, up / taken
        _move(self.upper, self.lower, self.near, self.slot, self.above, self.below, self.fold, down, up, cm)


def lowered(inputs: NDArray[np.float32]) -> float:
    """Share of the eye's opening by which its upper lid comes down for weights [5] in the order of LID_INPUTS."""
    return float(_FROM_ABOVE @ inputs)


def lid_rig(mesh: Mesh, side: int, glasses: bool = False) -> LidRig:
    """Lids of the right (0) or left (1) eye; under `glasses` less of the skin above follows."""
    brow = FRAME if glasses else BROW
    template = mesh.template
    upper, lower = (loop[1:-1] for loop in template.lids[side])
    points = template.vertices
    middle = (points[upper] + points[lower]) / 2
    sign = 1 if side else -1
    own = points[:, 0] * sign > 0
    place = np.interp(points[:, 0], middle[:, 0], np.arange(len(upper)))
    edge_up = np.interp(points[:, 0], points[template.lids[side][0], 0], points[template.lids[side][0], 1])
    edge_low = np.interp(points[:, 0], points[template.lids[side][1], 0], points[template.lids[side][1], 1])
    across = _across(points[:, 0] * sign, sign * middle[[0, -1], 0])
    height = points[:, 1] - edge_up
    upward = own * across * (points[:, 1] > middle[place.round().astype(int), 1])
    above = upward * (1 - smoothstep(LASHES, brow, height))
    fold = 0.5 * upward * np.clip(height, 0, LASHES) * (1 - smoothstep(LASHES, brow, height))
    below = own * across * (points[:, 1] <= middle[place.round().astype(int), 1]) \
        * (1 - smoothstep(0.10, 1.3, edge_low - points[:, 1]))
    above[upper], below[upper], above[lower], below[lower] = 1, 0, 0, 1
    fold[upper] = fold[lower] = 0
    for corner in (template.lids[side][0][0], template.lids[side][0][-1]):
        above[corner] = below[corner] = fold[corner] = 0
    near = np.flatnonzero((above > 1e-3) | (below > 1e-3)).astype(np.int32)
    return LidRig(upper, lower, near, *(field[near].astype(np.float32) for field in (place, above, below, fold)))


def _across(x: NDArray[np.float32], ends: NDArray[np.float32]) -> NDArray[np.float64]:
    """1 between the corners of an eye, soft beyond them."""
    low, high = float(min(ends)), float(max(ends))
    return smoothstep(low - 0.45, low + 0.1, x) * (1 - smoothstep(high - 0.1, high + 0.45, x))


@njit(cache=True, nogil=True)
def _move(upper, lower, near, slot, above, below, fold, down, up, cm):
    n = upper.shape[0]
    opening = np.empty((n, 3), np.float32)       # as the other shapes have left it, so that shut lids meet exactly
    for i in range(n):
        for axis in range(3):
            opening[i, axis] = cm[upper[i], axis] - cm[lower[i], axis]
    for k in range(near.shape[0]):
        i = min(int(slot[k]), n - 2)
        f = slot[k] - i
        share = up * below[k] - down * above[k]
        for axis in range(3):
            cm[near[k], axis] += share * (opening[i, axis] * (1 - f) + opening[i + 1, axis] * f)
        cm[near[k], 1] -= max(down, np.float32(0)) * fold[k]
