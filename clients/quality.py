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
