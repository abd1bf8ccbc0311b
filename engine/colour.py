"""RGB to I420 in NumPy: the reference every faster conversion is tested against.

ITU-R BT.601, limited range (luma 16..235, chroma 16..240), 4:2:0 with each chroma sample the mean of its 2x2 pixels.
"""

import numpy as np
from numpy.typing import NDArray

from .types import Frame, Picture

_LUMA = np.array([65.481, 128.553, 24.966], np.float32) / 255
_CB = np.array([-37.797, -74.203, 112.0], np.float32) / 255
_CR = np.array([112.0, -93.786, -18.214], np.float32) / 255


def i420(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """u8 RGB [H, W, 3], any size -> u8 I420 [H' * 3/2, W'], H' and W' rounded up to even by repeating the edge."""
    height, width = rgb.shape[:2]
    if height % 2 or width % 2:
        rgb = np.pad(rgb, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
        height, width = rgb.shape[:2]
    wide = rgb.astype(np.float32)
    mean = wide.reshape(height // 2, 2, width // 2, 2, 3).mean(axis=(1, 3))
    planes = np.empty((height * 3 // 2, width), np.uint8)
    planes[:height] = np.rint(wide @ _LUMA + 16)
    quarter = height // 2 * (width // 2)
    chroma = planes[height:].reshape(-1)
    chroma[:quarter] = np.rint(mean @ _CB + 128).reshape(-1)
    chroma[quarter:] = np.rint(mean @ _CR + 128).reshape(-1)
    return planes


def to_picture(frame: Frame) -> Picture:
    """A host frame (NumPy u8 RGB [H, W, 3]) as a Picture."""
    planes = i420(np.asarray(frame.pixels))
    size = (planes.shape[0] * 2 // 3, planes.shape[1])
    alpha = None if frame.alpha is None else even(np.asarray(frame.alpha))
    return Picture(planes, size, frame.pts, frame.captured_ns, frame.duration, frame.drawn, frame.generation, alpha)


def finished(frame: Frame) -> Picture:
    """A frame that came with its planes as a Picture."""
    size = (frame.planes.shape[0] * 2 // 3, frame.planes.shape[1])
    return Picture(frame.planes, size, frame.pts, frame.captured_ns, frame.duration, frame.drawn, frame.generation)


def even(plane: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """[H, W] padded to even sizes by repeating the edge."""
    height, width = plane.shape
    return np.pad(plane, ((0, height % 2), (0, width % 2)), mode="edge") if height % 2 or width % 2 else plane


def between(first: Picture, second: Picture, pts: int) -> Picture:
    """The picture half way between two, at `pts`: the rounded-down mean of their planes and opacities."""
    alpha = None if first.alpha is None or second.alpha is None else _mean(first.alpha, second.alpha)
    return Picture(
        _mean(first.planes, second.planes), second.size, pts, second.captured_ns, second.duration // 2, "between",
        second.generation, alpha,
    )  # fmt: skip


def _mean(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return (a >> 1) + (b >> 1) + (a & b & 1)         # stays in u8
