"""From a picture to the upright face a restorer was trained on, and back.

`LAYOUTS` are the two published templates. Points are left eye, right eye (as seen), nose tip, mouth corners, in px.
OpenCV below 5 is assumed: 5.0 interpolates differently.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from limner.engine.errors import InputError

SIZE = 512
BORDER = (135, 133, 132)                         # grey shown outside the picture (FFHQ crops, facexlib)
FFHQ = np.array([(192.98138, 239.94708), (318.90277, 240.1936), (256.63416, 314.01935),
                 (201.26117, 371.41043), (313.08905, 371.15118)])
_ARCFACE = np.array([(30.2946, 51.6963), (65.5318, 51.5014), (48.0252, 71.7366), (33.5493, 92.3655), (62.7299, 92.2041)],
                    np.float32).astype(np.float64)
# ArcFace's template is 96 x 112; made square, widened by a quarter on every side, enlarged.
ARCFACE = np.add(_ARCFACE, (8 + 28, 28)) * (SIZE / 168)
LAYOUTS = {"ffhq": FFHQ, "arcface": ARCFACE}
FIVE = ((468,), (473,), (1,), (61,), (291,))     # MediaPipe landmarks: iris centres, nose tip, mouth corners


@dataclass(frozen=True, slots=True)
class Alignment:
    """Affine maps [2, 3] between a picture and the `SIZE` px crop."""

    to_crop: NDArray[np.float64]
    to_picture: NDArray[np.float64]


def five_points(landmarks: NDArray) -> NDArray[np.float64]:
    """Left eye, right eye, nose tip, mouth corners [5, 2] of 478 MediaPipe landmarks, left as seen in the picture."""
    points = np.array([landmarks[list(group), :2].mean(axis=0) for group in FIVE], np.float64)
    if points[0, 0] > points[1, 0]:
        points = points[[1, 0, 2, 4, 3]]
    return points


def align(five: NDArray, layout: str = "ffhq") -> Alignment:
    """The rotation, scale and shift that bring five points [5, 2] onto a template.

    Raises InputError when they span no face (all in one place or not finite).
    """
    five = np.asarray(five, np.float64)
    if five.shape != (5, 2) or not np.isfinite(five).all() or np.ptp(five, axis=0).max() < 2:
        raise InputError("the five face points span no face; expected eyes, nose and mouth corners in pixels")
    if layout == "ffhq":
        forward = cv2.estimateAffinePartial2D(five, FFHQ, method=cv2.LMEDS)[0]
    else:
        forward = _similarity(five, LAYOUTS[layout])
    return Alignment(forward, cv2.invertAffineTransform(forward))


def _similarity(source: NDArray, target: NDArray) -> NDArray[np.float64]:
    """Least-squares similarity without reflection."""
    x, y = source.T
    one, zero = np.ones_like(x), np.zeros_like(x)
    system = np.concatenate([np.stack([x, -y, one, zero], 1), np.stack([y, x, zero, one], 1)])
    a, b, u, v = np.linalg.lstsq(system, target.T.reshape(-1), rcond=None)[0]
    return np.array([[a, -b, u], [b, a, v]])


def crop(picture: NDArray[np.uint8], alignment: Alignment, border: tuple[int, int, int] = BORDER) -> NDArray[np.uint8]:
    """The aligned face [SIZE, SIZE, 3]."""
    return cv2.warpAffine(picture, alignment.to_crop, (SIZE, SIZE), borderMode=cv2.BORDER_CONSTANT, borderValue=border)


@dataclass(frozen=True, slots=True)
class Feather:
    """Soft mask of an aligned crop in the picture, cut to the box it covers."""

    box: tuple[int, int, int, int]               # top, left, bottom, right
    inner: NDArray[np.float32]                   # [bottom - top, right - left, 1], where the warped crop is whole
    soft: NDArray[np.float32]                    # the same shape, how much of it is shown


def feather(alignment: Alignment, height: int, width: int) -> Feather:
    """The square's mask eroded and blurred by a twentieth of its side, as facexlib does without a face parser."""
    whole = cv2.warpAffine(np.ones((SIZE, SIZE), np.float32), alignment.to_picture, (width, height))
    inner = cv2.erode(whole, np.ones((2, 2), np.uint8))
    edge = int(float(inner.sum()) ** 0.5) // 20
    centre = cv2.erode(inner, np.ones((2 * edge, 2 * edge), np.uint8)) if edge else inner
    soft = cv2.GaussianBlur(centre, (2 * edge + 1, 2 * edge + 1), 0)
    rows, columns = np.flatnonzero(soft.any(axis=1)), np.flatnonzero(soft.any(axis=0))
    if not len(rows):
        raise InputError("the aligned face lies outside the picture; give face points inside it")
    top, left, bottom, right = int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1
    inner, soft = (np.ascontiguousarray(m[top:bottom, left:right, None]) for m in (inner, soft))
    return Feather((top, left, bottom, right), inner, soft)


def paste(picture: NDArray[np.uint8], face: NDArray[np.uint8], alignment: Alignment,
          mask: Feather | None = None) -> NDArray[np.uint8]:
    """`picture` [H, W, 3] with the restored `face` [SIZE, SIZE, 3] blended in; pixels outside the mask are untouched."""
    mask = mask or feather(alignment, *picture.shape[:2])
    top, left, bottom, right = mask.box
    back = cv2.warpAffine(face, alignment.to_picture, (right, bottom))[top:, left:]
    out = picture.copy()
    region = out[top:bottom, left:right]
    region[:] = (mask.soft * (mask.inner * back) + (1 - mask.soft) * region).clip(0, 255)
    return out
