"""Frame a face like a webcam presenter: an upright square of head and shoulders, inside the picture if it can be."""

import cv2
import numpy as np
from numpy.typing import NDArray

from .landmarks import Region, resample, roll

FACE_WIDTH = 0.40                    # of the crop's side, cheek to cheek
FACE_HEIGHT = 0.50                   # hairline to chin
FACE_TOP = 0.225                     # of the side above the hairline: hair and a little air
_MAX_ZOOM = 0.76                     # a face at the edge of its picture may fill the crop up to FACE_WIDTH / this
_FADE = 0.04                         # of the side: over which hair cut off by the picture's edge fades out
_RIM = 0.006                         # of the picture's shorter side: scans and screenshots have a foreign line there


def frame(landmarks: NDArray[np.float32], size: tuple[int, int]) -> Region:
    """The turned square of a picture of (height, width) `size` that shows the face [>=468, 3] best.

    Chosen by a small search: pixels outside the picture cost most, then cutting close, then an off-centre face.
    """
    angle = roll(landmarks)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    upright = landmarks[:468, :2] @ turn.T
    low, high = upright.min(0), upright.max(0)
    full = max((high[0] - low[0]) / FACE_WIDTH, (high[1] - low[1]) / FACE_HEIGHT)
    best, best_cost = None, np.inf
    for zoom in np.linspace(1, _MAX_ZOOM, 9):
        side = full * zoom
        middle = np.array([(low[0] + high[0]) / 2, low[1] + (0.5 - FACE_TOP) * side])
        for dy in np.linspace(-0.10, 0.06, 9):
            for dx in np.linspace(-0.08, 0.08, 9):
                region = Region(((middle + np.array([dx, dy]) * side) @ turn).astype(np.float32), side, angle)
                cost = 3 * _outside(region, size) + 1.2 * (1 - zoom) + 0.9 * abs(dx) + 0.7 * abs(dy)
                if cost < best_cost:
                    best, best_cost = region, cost
    return best


def cut(image: NDArray[np.uint8], region: Region, side: int) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """The region as u8 [side, side, C], its edge pixels repeated outward, and which pixels [side, side] are real."""
    crop = resample(image, region.to_crop(side), (side, side), cv2.BORDER_REPLICATE)
    return crop, _inside(region, image.shape[:2], side)


def extend(crop: NDArray[np.uint8], matte: NDArray[np.float32], inside: NDArray[np.bool_], chin: float,
           background: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Fill what lies outside the picture: u8 [S, S, 3] and its matte [S, S].

    Where the person was cut off by the picture's edge, the body goes on below the row `chin`, ever softer; hair and
    ears above it fade out. Elsewhere the painted `background` is seen.
    """
    side = crop.shape[0]
    distance, source = _nearest(inside)
    body = cv2.remap(crop, source[..., 0], source[..., 1], cv2.INTER_NEAREST)
    opacity = cv2.remap(matte, source[..., 0], source[..., 1], cv2.INTER_NEAREST)
    for sigma in (side / 256, side / 96, side / 40):
        share = np.clip((distance - sigma) / (2 * sigma), 0, 1)
        body = _blend(body, cv2.GaussianBlur(body, (0, 0), sigma), share)
        opacity = opacity * (1 - share) + cv2.GaussianBlur(opacity, (0, 0), sigma) * share
    above = np.clip((chin - np.arange(side, dtype=np.float32)) / (0.1 * side) + 0.5, 0, 1)[:, None]
    opacity *= 1 - above * np.clip(distance / (_FADE * side), 0, 1)
    filled = _blend(background, body, opacity)
    return np.where(inside[..., None], crop, filled), np.where(inside, matte, opacity).astype(np.float32)


def _inside(region: Region, size: tuple[int, int], side: int) -> NDArray[np.bool_]:
    """Which pixels of a `side` x `side` crop lie in a picture of (height, width) `size`."""
    back = cv2.invertAffineTransform(region.to_crop(side))
    y, x = np.mgrid[:side, :side].astype(np.float32)
    px = back[0, 0] * x + back[0, 1] * y + back[0, 2]
    py = back[1, 0] * x + back[1, 1] * y + back[1, 2]
    rim = _RIM * min(size)
    return (px >= rim) & (px <= size[1] - 1 - rim) & (py >= rim) & (py <= size[0] - 1 - rim)


def _outside(region: Region, size: tuple[int, int]) -> float:
    """Part of the region, in [0, 1], that lies outside the picture."""
    return 1 - float(_inside(region, size, 24).mean())


def _nearest(inside: NDArray[np.bool_]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """For every pixel the distance [S, S] to the nearest real one in px, and that one's x, y [S, S, 2]."""
    distance, labels = cv2.distanceTransformWithLabels((~inside).astype(np.uint8), cv2.DIST_L2, 5,
                                                       labelType=cv2.DIST_LABEL_PIXEL)
    rows, columns = np.nonzero(inside)
    places = np.zeros((labels.max() + 1, 2), np.float32)
    places[labels[rows, columns]] = np.stack([columns, rows], axis=1)
    return distance, places[labels]


def _blend(below: NDArray[np.uint8], above: NDArray[np.uint8], opacity: NDArray[np.float32]) -> NDArray[np.uint8]:
    share = opacity[..., None]
    return np.rint(below * (1 - share) + above * share).astype(np.uint8)
