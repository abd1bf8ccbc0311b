"""Moods as constant offsets of the expression."""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from limner.engine.types import ARKIT, ARKIT_INDEX

MOODS: dict[str, dict[str, float]] = {
    "neutral": {},
    "warm": {"mouthSmileLeft": 0.20, "mouthSmileRight": 0.20, "cheekSquintLeft": 0.20, "cheekSquintRight": 0.20,
             "eyeSquintLeft": 0.08, "eyeSquintRight": 0.08, "browInnerUp": 0.06},
    "serious": {"browDownLeft": 0.22, "browDownRight": 0.22, "mouthFrownLeft": 0.08, "mouthFrownRight": 0.08,
                "mouthPressLeft": 0.08, "mouthPressRight": 0.08, "eyeSquintLeft": 0.05, "eyeSquintRight": 0.05},
}


@cache
def mood(name: str) -> NDArray[np.float32]:
    """Offsets f32 [52] of a mood; read-only."""
    out = np.zeros(len(ARKIT), np.float32)
    for weight, value in MOODS[name].items():
        out[ARKIT_INDEX[weight]] = value
    out.flags.writeable = False
    return out
