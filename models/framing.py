"""Frame a face like a webcam presenter: an upright square of head and shoulders, kept inside the picture if it can be."""

import cv2
import numpy as np
from numpy.typing import NDArray

from .landmarks import Region, resample, roll

FACE_WIDTH = 0.40                    # of the crop's side, cheek to cheek
FACE_HEIGHT = 0.50                   # hairline to chin
FACE_TOP = 0.225                     # of the side above the hairline: hair and a little air
_MAX_ZOOM = 0.68                     # a face at the edge of its picture may fill the crop up to FACE_WIDTH / this
_REFLECT = 0.05                      # of the side: how far the picture is mirrored outward before it only smears


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
                cost = 5 * _outside(region, size) + 0.35 * (1 - zoom) + 0.9 * abs(dx) + 0.5 * abs(dy)
                if cost < best_cost:
                    best, best_cost = region, cost
    return best


def cut(image: NDArray[np.uint8], region: Region, side: int) -> NDArray[np.uint8]:
    """The region as u8 [side, side, C]; what lies outside the picture continues it, softer with the distance."""
    affine = region.to_crop(side)
    crop = resample(image, affine, (side, side), cv2.BORDER_REPLICATE)
    inside = _inside(region, image.shape[:2], side)
    return crop if inside.all() else _extend(crop, inside)


def _inside(region: Region, size: tuple[int, int], side: int) -> NDArray[np.bool_]:
    """Which pixels of a `side` x `side` crop lie in a picture of (height, width) `size`."""
    back = cv2.invertAffineTransform(region.to_crop(side))
    y, x = np.mgrid[:side, :side].astype(np.float32)
    px = back[0, 0] * x + back[0, 1] * y + back[0, 2]
    py = back[1, 0] * x + back[1, 1] * y + back[1, 2]
    return (px >= -0.5) & (px <= size[1] - 0.5) & (py >= -0.5) & (py <= size[0] - 0.5)


def _outside(region: Region, size: tuple[int, int]) -> float:
    """Part of the region, in [0, 1], that lies outside the picture."""
    return 1 - float(_inside(region, size, 24).mean())


def _extend(crop: NDArray[np.uint8], inside: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Fill outside pixels: mirrored at the sides and the top, continued downwards (a body goes on), then blurred."""
    side = crop.shape[0]
    solid = cv2.erode(inside.astype(np.uint8), np.ones((3, 3), np.uint8), borderValue=1)
    distance, labels = cv2.distanceTransformWithLabels(1 - solid, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    rows, columns = np.nonzero(solid)
    nearest = np.zeros((labels.max() + 1, 2), np.float32)
    nearest[labels[rows, columns]] = np.stack([columns, rows], 1)
    source = nearest[labels]
    y, x = np.mgrid[:side, :side].astype(np.float32)
    here = np.stack([x, y], -1)
    reach = np.minimum(1, _REFLECT * side / np.maximum(distance, 1e-3))[..., None]
    inward = (source - here) * reach
    inward[..., 1] = np.maximum(inward[..., 1], 0)   # below the picture the last row goes on
    mapped = source + inward
    filled = cv2.remap(crop, mapped[..., 0], mapped[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    for sigma in (side / 256, side / 96, side / 40):
        soft = cv2.GaussianBlur(filled, (0, 0), sigma)
        share = np.clip((distance - sigma) / (2 * sigma), 0, 1)[..., None]
        filled = np.rint(filled * (1 - share) + soft * share).astype(np.uint8)
    return np.where(solid[..., None] > 0, crop, filled)
