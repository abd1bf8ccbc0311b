"""How a measured head is turned: a similarity fit to the canonical face (Umeyama 1991, doi:10.1109/34.88573)."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .face.canonical import coarse
from .face.fit import FIT_ABOVE, picture_axes, umeyama


@dataclass(frozen=True, slots=True)
class HeadPose:
    """Degrees: `yaw` to the person's own left, `pitch` chin up, `roll` clockwise in the picture; `scale` in px per cm."""

    yaw: float
    pitch: float
    roll: float
    scale: float


def head_pose(landmarks: NDArray[np.float32]) -> HeadPose:
    """The pose of a face from its landmarks [>=468, 3] in px (y down, z towards the camera negative)."""
    canonical, _ = coarse()
    steady = canonical[:, 1] > FIT_ABOVE             # the rest moves with the jaw
    fit = umeyama(canonical[steady], picture_axes(landmarks[:468])[steady])
    r = fit.rotation
    return HeadPose(yaw=math.degrees(math.atan2(r[0, 2], r[2, 2])),
                    pitch=math.degrees(math.asin(float(np.clip(r[1, 2], -1, 1)))),
                    roll=math.degrees(math.atan2(-r[1, 0], r[1, 1])),
                    scale=fit.scale)
