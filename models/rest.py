"""When nobody speaks the mouth rests: how much of a drawn mouth is shown."""

import numpy as np

from limner.engine.types import FeatureWindow


def speaking(window: FeatureWindow) -> float:
    """0 at rest .. 1 speaking, from the voice decisions around the drawn instant.

    The decisions come with their own hysteresis (see `voice`), so the share of voiced rows in the window rises and
    falls as a ramp; it is full from half the window on. Depends on the window alone, so nothing is to be reset.
    """
    share = min(1.0, 2 * float(np.mean(window.voiced)))
    return share * share * (3 - 2 * share)
