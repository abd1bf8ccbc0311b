"""Putting a small drawn mouth back into a large picture so that nobody finds the edge.

A `Patch` is prepared once per source frame: where the network looked, the feathered mask of the lower face, and the
source's own pixels there. `blend` then resizes the drawing to full resolution, matches its colours to the surround and
lays it in.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

# MediaPipe's face oval from one ear lobe round the chin to the other, then up the cheeks to below the nose.
_JAW = (132, 58, 172, 136, 150, 149, 176, 148, 152, 377, 400, 378, 379, 365, 397, 288, 361)
_ABOVE_LIP = (330, 2, 101)                   # cheek, under the nose, cheek
_CHIN, _NOSE_BASE = 152, 2


@dataclass(frozen=True, slots=True)
class Window:
    """A rectangle of a picture in px of it, edges between pixels, not necessarily whole numbers."""

    left: float
    top: float
    width: float
    height: float

    def to_picture(self, size: tuple[int, int]) -> NDArray[np.float64]:
        """Affine [2, 3] from pixel centres of a (height, width) `size` drawing of this window to the picture's."""
        sx, sy = self.width / size[1], self.height / size[0]
        return np.array([[sx, 0, self.left + (sx - 1) / 2], [0, sy, self.top + (sy - 1) / 2]])


def look(picture: NDArray[np.uint8], window: Window, size: tuple[int, int]) -> NDArray[np.uint8]:
    """The window of a picture at (height, width) `size`, without aliasing; outside, the picture's edge repeats."""
    times = max(1, int(np.ceil(max(window.width / size[1], window.height / size[0]))))
    large = (size[0] * times, size[1] * times)
    drawn = cv2.warpAffine(picture, window.to_picture(large), large[::-1],
                           flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REPLICATE)
    return drawn if times == 1 else cv2.resize(drawn, size[::-1], interpolation=cv2.INTER_AREA)


@dataclass(frozen=True, slots=True)
class Patch:
    """One source frame prepared for pasting."""

    top: int
    left: int
    mask: NDArray[np.float32]                # [h, w, 1] in [0, 1], of the picture's pixels from (top, left)
    original: NDArray[np.float32]            # [h, w, 3], the picture there
    affine: NDArray[np.float64]              # drawing -> these pixels
    seen: NDArray[np.float32]                # [gh, gw, 3] the source as the network saw it, coarse
    surround: NDArray[np.float32]            # [gh, gw, 1] weights of the coarse pixels whose colours are to be kept


_COARSE = 8                                  # px of a drawing per pixel of the colour match


def prepare(picture: NDArray[np.uint8], landmarks: NDArray[np.float32], window: Window, size: tuple[int, int],
            square: tuple[float, float, float, float]) -> Patch:
    """A patch for drawings of `size` that show `window` of `picture`; landmarks [478, 2+] px.

    `square` (top, bottom, left, right) are shares of the drawing that the network repaints; the mask stays inside it.
    """
    mask = _mask(picture.shape[:2], landmarks[:, :2], window, square)
    rows, columns = np.flatnonzero(mask.max(1) > 0), np.flatnonzero(mask.max(0) > 0)
    if not len(rows):
        rows = columns = np.array([0])
    part = np.s_[rows[0]:rows[-1] + 1, columns[0]:columns[-1] + 1]
    affine = window.to_picture(size) - np.array([[0, 0, columns[0]], [0, 0, rows[0]]])
    seen = look(picture, window, size)
    return Patch(int(rows[0]), int(columns[0]), mask[part][..., None], picture[part].astype(np.float32), affine,
                 _coarse(seen.astype(np.float32)), _surround(mask, landmarks[:, :2], window, size, square))


def _mask(shape: tuple[int, int], points: NDArray[np.float32], window: Window,
          square: tuple[float, float, float, float]) -> NDArray[np.float32]:
    """The lower face, a little beyond the jaw, soft to both its own edge and the square's."""
    height = float(np.linalg.norm(points[_CHIN] - points[_NOSE_BASE]))
    outline = points[list(_JAW + _ABOVE_LIP)]
    middle = points[[13, 14]].mean(0)
    jaw = middle + (outline[:len(_JAW)] - middle) * 1.06
    polygon = np.concatenate([jaw, outline[len(_JAW):]])
    face = cv2.GaussianBlur(_filled(shape, polygon), (0, 0), 0.07 * height)
    top, left = window.top, window.left
    rows = _ramp(shape[0], top + square[0] * window.height, top + square[1] * window.height, 0.14 * height)
    columns = _ramp(shape[1], left + square[2] * window.width, left + square[3] * window.width, 0.16 * height)
    return face * rows[:, None] * columns[None]


def _filled(shape: tuple[int, int], polygon: NDArray[np.float32]) -> NDArray[np.float32]:
    """1 inside a polygon of (x, y) px, 0 outside."""
    area = np.zeros(shape, np.float32)
    cv2.fillPoly(area, [np.round(polygon * 16).astype(np.int32)], 1.0, cv2.LINE_AA, 4)
    return area


def _ramp(count: int, low: float, high: float, soft: float) -> NDArray[np.float32]:
    """1 well inside low..high, 0 outside, a smoothstep over `soft` px inside each end."""
    at = np.arange(count) + 0.5
    t = np.clip(np.minimum(at - low, high - at) / soft, 0, 1)
    return (t * t * (3 - 2 * t)).astype(np.float32)


def _coarse(drawing: NDArray[np.float32]) -> NDArray[np.float32]:
    height, width = drawing.shape[:2]
    size = (max(width // _COARSE, 4), max(height // _COARSE, 4))
    return cv2.resize(drawing, size, interpolation=cv2.INTER_AREA)


def _surround(mask: NDArray[np.float32], points: NDArray[np.float32], window: Window, size: tuple[int, int],
              square: tuple[float, float, float, float]) -> NDArray[np.float32]:
    """Where a drawing should look like its source: skin outside the repainted square, nearest to the mask most of all."""
    skin = _filled(mask.shape, cv2.convexHull(points.astype(np.float32))[:, 0])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    near, skin = (cv2.warpAffine(area, window.to_picture(size), size[::-1], flags=flags) for area in (mask, skin))
    near = cv2.GaussianBlur(near, (0, 0), size[0] / 8) * skin
    top, bottom, left, right = (round(s * n) for s, n in zip(square, (size[0], size[0], size[1], size[1]), strict=True))
    near[top:bottom, left:right] = 0
    return _coarse(near)[..., None]


def colour_offset(patch: Patch, drawing: NDArray[np.float32]) -> NDArray[np.float32]:
    """What to add to a drawing [h, w, 3] so that it meets its surround: the difference there, carried inwards smoothly."""
    weight = patch.surround
    total = float(weight.sum())
    if total <= 0:
        return np.zeros((1, 1, 3), np.float32)
    weighted = (patch.seen - _coarse(drawing)) * weight
    sigma = weight.shape[0] / 5
    even = weighted.sum((0, 1)) / total
    near = cv2.GaussianBlur(weight, (0, 0), sigma)[..., None] + 1e-3 * total / weight.size
    spread = cv2.GaussianBlur(weighted, (0, 0), sigma) + even * 1e-3 * total / weight.size
    return cv2.resize((spread / near).astype(np.float32), drawing.shape[1::-1], interpolation=cv2.INTER_LINEAR)


def blend(picture: NDArray[np.uint8], patch: Patch, drawing: NDArray[np.float32], opacity: float = 1.0) -> NDArray[np.uint8]:
    """A copy of `picture` with a drawing f32 [h, w, 3] (0..255) laid in; `opacity` 0 leaves the picture as it is."""
    out = picture.copy()
    if opacity <= 0:
        return out
    height, width = patch.mask.shape[:2]
    matched = drawing + colour_offset(patch, drawing)
    full = cv2.warpAffine(matched, patch.affine, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    mixed = patch.original + (full - patch.original) * (patch.mask * np.float32(opacity))
    region = out[patch.top:patch.top + height, patch.left:patch.left + width]
    np.copyto(region, np.clip(mixed + 0.5, 0, 255).astype(np.uint8))
    return out
