"""Where a head is and how it is turned: a similarity fit to the canonical face (Umeyama 1991, doi:10.1109/34.88573)."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .face.canonical import coarse

_ABOVE_MOUTH = -2.5                  # cm; points below move with the jaw and would tilt the fit of an open mouth


@dataclass(frozen=True, slots=True)
class HeadPose:
    """`scale` px per cm, `rotation` [3, 3] and `translation` [3] px from canonical axes (y up, z to the viewer) to the
    picture's x, -y, -z; angles in degrees: `yaw` to the person's own left, `pitch` chin up, `roll` clockwise in the picture.
    """

    scale: float
    rotation: NDArray[np.float64]
    translation: NDArray[np.float64]

    @property
    def yaw(self) -> float:
        return math.degrees(math.atan2(self.rotation[0, 2], self.rotation[2, 2]))

    @property
    def pitch(self) -> float:
        return math.degrees(math.asin(float(np.clip(self.rotation[1, 2], -1, 1))))

    @property
    def roll(self) -> float:
        return math.degrees(math.atan2(-self.rotation[1, 0], self.rotation[1, 1]))


def head_pose(landmarks: NDArray[np.float32]) -> HeadPose:
    """The pose of a face from its landmarks [>=468, 3] in px (y down, z towards the camera negative)."""
    canonical, _ = coarse()
    steady = canonical[:, 1] > _ABOVE_MOUTH
    return HeadPose(*umeyama(canonical[steady], landmarks[:468][steady] * np.array([1, -1, -1])))


def umeyama(source: NDArray[np.floating], target: NDArray[np.floating]) -> tuple[float, NDArray[np.float64],
                                                                                 NDArray[np.float64]]:
    """Scale, rotation [3, 3] and translation [3] that carry `source` [n, 3] closest to `target` [n, 3]."""
    a, b = np.asarray(source, float), np.asarray(target, float)
    centre_a, centre_b = a.mean(0), b.mean(0)
    u, stretch, vt = np.linalg.svd((b - centre_b).T @ (a - centre_a) / len(a))
    sign = np.array([1, 1, np.sign(np.linalg.det(u @ vt))])          # a rotation, never a mirror image
    rotation = (u * sign) @ vt
    scale = float((stretch * sign).sum() / np.square(a - centre_a).sum(1).mean())
    return scale, rotation, centre_b - scale * rotation @ centre_a
