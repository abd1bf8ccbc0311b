"""How near one picture is to another: PSNR, and SSIM (Wang et al. 2004) on luma."""

import math

import cv2
import numpy as np
from numpy.typing import NDArray

_WINDOW, _SIGMA = (11, 11), 1.5                  # as published
_C1, _C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2


def psnr(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> float:
    """dB over all values of two u8 pictures of one shape; infinite where they are equal."""
    error = float(np.mean((a.astype(np.float64) - b) ** 2))
    return math.inf if error == 0 else 10 * math.log10(255 ** 2 / error)


def ssim(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> float:
    """Mean structural similarity of two u8 RGB pictures, Gaussian window of 11 px, borders left out."""
    x, y = (cv2.cvtColor(p, cv2.COLOR_RGB2GRAY).astype(np.float64) for p in (a, b))

    def mean(z: NDArray[np.float64]) -> NDArray[np.float64]:
        return cv2.GaussianBlur(z, _WINDOW, _SIGMA)[5:-5, 5:-5]

    mx, my = mean(x), mean(y)
    vx, vy, vxy = mean(x * x) - mx * mx, mean(y * y) - my * my, mean(x * y) - mx * my
    similarity = (2 * mx * my + _C1) * (2 * vxy + _C2) / ((mx * mx + my * my + _C1) * (vx + vy + _C2))
    return float(similarity.mean())


class Steadiness:
    """How much still parts of a film change from frame to frame, before and after it was worked on.

    Still is what changes by less than 3 grey levels on average over 7x7 px of the original; there a change is noise, and
    what adds to it is flicker.
    """

    LIMIT = 3.0

    def __init__(self) -> None:
        self._last: tuple[NDArray[np.float32], NDArray[np.float32]] | None = None
        self._sums = np.zeros(3)                 # pixels, change before, change after

    def see(self, before: NDArray[np.uint8], after: NDArray[np.uint8]) -> None:
        """One frame, u8 RGB of one shape, as it was and as it is."""
        now = tuple(cv2.cvtColor(p, cv2.COLOR_RGB2GRAY).astype(np.float32) for p in (before, after))
        if self._last is not None and self._last[0].shape == now[0].shape:
            changes = [np.abs(a - b) for a, b in zip(now, self._last, strict=True)]
            still = cv2.blur(changes[0], (7, 7)) < self.LIMIT
            self._sums += still.sum(), *(float(change[still].sum()) for change in changes)
        self._last = now

    @property
    def before(self) -> float:
        """Mean change of still parts of the original, grey levels."""
        return float(self._sums[1] / max(self._sums[0], 1))

    @property
    def after(self) -> float:
        """The same of what was made of it."""
        return float(self._sums[2] / max(self._sums[0], 1))
