"""How sharp a portrait is, and what is drawn into it made no sharper."""

import cv2
import numpy as np
from numpy.typing import NDArray

SHARP = 1.9                  # px, sd of the edges of a face in focus as measured here, its lashes and hair included
LEAST = 0.8                  # px of blur worth adding
REACH = 13                   # px over which an edge's whole step is looked for
STRONGEST = 99               # percentile of slopes that counts as edges
_ROOT = np.sqrt(2 * np.pi)   # a step blurred by sd s has the slope step / (s sqrt(2 pi))


def softness(image: NDArray[np.uint8], landmarks: NDArray[np.float32]) -> float:
    """sd in px of the blur that makes a sharp drawing as soft as the face in `image` u8 RGB; 0 for one in focus.

    `landmarks` [n, 2 or more] px outline the face.
    """
    face = np.zeros(image.shape[:2], np.uint8)
    cv2.fillConvexPoly(face, cv2.convexHull(np.rint(landmarks[:, :2]).astype(np.int32)), 1)
    inside = cv2.erode(face, np.ones((9, 9), np.uint8)) > 0
    if not inside.any():
        return 0.0
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)
    slope = np.hypot(*(cv2.Sobel(grey, cv2.CV_32F, 1 - k, k, scale=1 / 8) for k in (0, 1)))
    window = np.ones((REACH, REACH), np.uint8)
    step = cv2.dilate(grey, window) - cv2.erode(grey, window)
    edges = inside & (slope >= max(np.percentile(slope[inside], STRONGEST), 1e-3))
    if not edges.any():
        return 0.0
    own = float(np.median(step[edges] / slope[edges])) / _ROOT
    extra = np.sqrt(max(0.0, own**2 - SHARP**2))
    return float(extra) if extra >= LEAST else 0.0


def soften(out: NDArray[np.uint8], curves: tuple[NDArray[np.float32], NDArray[np.float32]], sigma: float, share: float) -> None:
    """Blur the opening between two curves [n, 2] px of u8 RGB `out`, and its edge, by `sigma` px, `share` in [0, 1]."""
    outline = np.concatenate([curves[0], curves[1][::-1]])
    margin = int(3 * sigma) + 2
    low = np.maximum(np.floor(outline.min(0)).astype(int) - margin, 0)
    high = np.minimum(np.ceil(outline.max(0)).astype(int) + margin, out.shape[1::-1])
    if not (high > low).all():
        return
    part = out[low[1]:high[1], low[0]:high[0]]
    mask = np.zeros(part.shape[:2], np.float32)
    cv2.fillPoly(mask, [np.rint((outline - low) * 16).astype(np.int32)], 2 * share, cv2.LINE_8, 4)
    mask = np.minimum(cv2.GaussianBlur(mask, (0, 0), sigma), share)[..., None]
    part[:] = np.rint(part + (cv2.GaussianBlur(part, (0, 0), sigma) - part.astype(np.float32)) * mask)
