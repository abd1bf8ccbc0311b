"""RGB to I420, as `limner.engine.colour` defines it, in one pass of fixed-point arithmetic."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from limner.engine.colour import even, i420
from limner.engine.types import Frame, Picture


def to_picture(frame: Frame) -> Picture:
    """A host frame (NumPy u8 RGB [H, W, 3]) as a Picture; odd sizes are rounded up by repeating the edge."""
    rgb = np.ascontiguousarray(frame.pixels)
    height, width = rgb.shape[:2]
    if height % 2 or width % 2:
        planes = i420(rgb)
    else:
        planes = np.empty((height * 3 // 2, width), np.uint8)
        _convert(rgb, planes[:height], planes[height:].reshape(-1))
    alpha = None if frame.alpha is None else even(np.asarray(frame.alpha))
    size = (planes.shape[0] * 2 // 3, planes.shape[1])
    return Picture(planes, size, frame.pts, frame.captured_ns, frame.duration, frame.drawn, frame.generation, alpha)


# Typed, so that it is compiled (or read from the cache) at import and never in the middle of a session.
@njit("void(u1[:, :, ::1], u1[:, ::1], u1[::1])", cache=True, nogil=True)
def _convert(rgb: NDArray[np.uint8], luma: NDArray[np.uint8], chroma: NDArray[np.uint8]) -> None:
    height, width = luma.shape
    quarter = (height // 2) * (width // 2)
    for y in range(0, height, 2):
        for x in range(0, width, 2):
            r = g = b = np.int32(0)
            for j in range(2):
                for i in range(2):
                    pixel = rgb[y + j, x + i]
                    p, q, s = np.int32(pixel[0]), np.int32(pixel[1]), np.int32(pixel[2])
                    # BT.601 limited range in 1/65536.
                    luma[y + j, x + i] = (16829 * p + 33039 * q + 6416 * s + 1081344) >> 16
                    r, g, b = r + p, g + q, b + s
            at = (y // 2) * (width // 2) + x // 2
            chroma[at] = (-9714 * r - 19070 * g + 28784 * b + 33685504) >> 18
            chroma[quarter + at] = (28784 * r - 24103 * g - 4681 * b + 33685504) >> 18
