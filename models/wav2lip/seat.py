"""Where Wav2Lip looks in a picture: the face box its detector would give, from landmarks."""

import numpy as np
from numpy.typing import NDArray

from limner.models.paste import Window

_FOREHEAD, _CHIN, _RIGHT, _LEFT = 10, 152, 234, 454
_BELOW = 0.06                                # of the height; the published ten px under a usual face
REPAINTED = (0.5, 1.0, 0.0, 1.0)             # top, bottom, left, right as shares of the box


def face_windows(landmarks: NDArray[np.float32]) -> list[Window]:
    """A box of one size for every frame of landmarks [n, 478, 2+], about each frame's own face."""
    points = landmarks[..., :2]
    spans = points.max(1) - points.min(1)
    width, height = np.median(spans, axis=0)
    middle = (points[:, [_FOREHEAD, _CHIN]].mean(1) + points[:, [_RIGHT, _LEFT]].mean(1) * [1, 0]) / [2, 1]
    return [Window(float(x - width / 2), float(y - height / 2), float(width), float(height * (1 + _BELOW))) for x, y in middle]
