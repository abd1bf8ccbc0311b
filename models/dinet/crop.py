"""Where DINet looks: the published crop around nose, mouth corners and chin, and the square it repaints.

Landmarks are the 68 of Multi-PIE/iBUG, [68, 2] in whole pixels (x, y). A crop of radius R spans 2.5 R columns about
landmark 33 and 3.25 R rows from R above landmark 29 down; it is resized to `picture_size`, in which the mouth square
of side `mouth` is blacked out.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from limner.engine.errors import PortraitError, UsageError
from limner.models.paste import Window

MOUTHS = (64, 128, 256)                      # sides of the repainted square the networks are trained for, px
MARGIN = 1.05                                # of the radius, for a frame to be drawn
REFERENCE_MARGIN = (1.05, 1.15)              # drawn uniformly for references and in training
_BRIDGE, _NOSE, _RIGHT, _LEFT = 29, 33, 48, 54
# The 68 Multi-PIE points among MediaPipe's 468: jaw, brows, nose, eyes, outer and inner lips.
MULTI_PIE = (
    162, 234, 93, 58, 172, 136, 149, 148, 152, 377, 378, 365, 397, 288, 323, 454, 389,
    71, 63, 105, 66, 107, 336, 296, 334, 293, 301, 168, 197, 5, 4, 75, 97, 2, 326, 305,
    33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380,
    61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181, 78, 82, 13, 312, 308, 317, 14, 87,
)


@dataclass(frozen=True, slots=True)
class Box:
    """Half-open pixel rectangle: rows `top` to `bottom`, columns `left` to `right`."""

    top: int
    bottom: int
    left: int
    right: int

    def inside(self, height: int, width: int) -> bool:
        return self.top >= 0 and self.left >= 0 and self.bottom <= height and self.right <= width

    def cut(self, picture: NDArray) -> NDArray:
        return picture[self.top:self.bottom, self.left:self.right]


def picture_size(mouth: int) -> tuple[int, int]:
    """(height, width) of the network's picture for a mouth square of side `mouth`; UsageError unless 64, 128 or 256."""
    if mouth not in MOUTHS:
        raise UsageError(f"mouth size {mouth}: DINet is published for {', '.join(map(str, MOUTHS))} pixels")
    return 3 * mouth // 2 + mouth // 8, mouth + mouth // 4


def mouth_box(mouth: int) -> Box:
    """The repainted square inside the network's picture."""
    return Box(mouth // 2, mouth // 2 + mouth, mouth // 8, mouth // 8 + mouth)


def radius(landmarks: NDArray, margin: float = MARGIN) -> int:
    """Crop radius in px, a multiple of 4, for landmarks [n, 68, 2] of neighbouring frames (five as published).

    Raises PortraitError when the face changes its size too much over them for one crop.
    """
    points = landmarks.astype(np.int64)                              # truncated, as published
    tall = (points[:, :, 1].max(1) - points[:, _BRIDGE, 1]) * margin
    wide = (points[:, _LEFT, 0] - points[:, _RIGHT, 0]) * margin
    each = np.maximum(tall, wide) // 2
    if each.min() <= 0 or each.max() > 1.5 * each.min():
        raise PortraitError(f"face radius goes from {each.min():.0f} to {each.max():.0f} px within one crop; "
                            "use a clip in which the head keeps its distance and faces the camera")
    return (int(each.max() / 4) + 1) * 4


def crop_box(landmarks: NDArray, size: int) -> Box:
    """The crop of radius `size` for one frame's landmarks [68, 2]."""
    top, middle = int(landmarks[_BRIDGE, 1]) - size, int(landmarks[_NOSE, 0])
    side = size + size // 4
    return Box(top, top + 3 * size + size // 4, middle - side, middle + side)


def crop_window(landmarks: NDArray, size: int) -> Window:
    """`crop_box` without rounding, so that a crop follows a moving head smoothly."""
    side = 1.25 * size
    return Window(float(landmarks[_NOSE, 0]) - side, float(landmarks[_BRIDGE, 1]) - size, 2 * side, 3.25 * size)


def repainted(mouth: int) -> tuple[float, float, float, float]:
    """The mouth square as shares of the network's picture: top, bottom, left, right."""
    (height, width), square = picture_size(mouth), mouth_box(mouth)
    return square.top / height, square.bottom / height, square.left / width, square.right / width


def hide_mouth(pictures: NDArray, mouth: int) -> NDArray:
    """A copy of pictures [..., H, W, 3] with the mouth square black."""
    square, hidden = mouth_box(mouth), pictures.copy()
    hidden[..., square.top:square.bottom, square.left:square.right, :] = 0
    return hidden


def to_network(picture: NDArray[np.uint8]) -> NDArray[np.float32]:
    """u8 RGB [H, W, 3] -> f32 [3, H, W] in 0..1."""
    return np.ascontiguousarray((picture / 255.0).astype(np.float32).transpose(2, 0, 1))
