"""A face that is nothing but landmarks on a smooth picture: enough for geometry and blending."""

import numpy as np

from limner.engine.types import Portrait
from limner.models.avatar import default_avatar


def portrait() -> Portrait:
    return default_avatar().portrait


def moving(count: int, size: int = 256, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Frames [count, size, size, 3] and landmarks [count, 478, 3] of the bundled portrait drifting about, its mouth
    gap growing from frame to frame."""
    import cv2
    base = portrait()
    scale = size / base.image.shape[0]
    frames, marks = [], []
    for i in range(count):
        shift = np.array([3 * np.sin(i), 2 * np.cos(i)])
        affine = np.array([[scale, 0, shift[0]], [0, scale, shift[1]]])
        frames.append(cv2.warpAffine(base.image, affine, (size, size), borderMode=cv2.BORDER_REPLICATE))
        points = base.landmarks * scale
        points[:, :2] += shift
        points[[14, 17], 1] += i % 7
        marks.append(points.astype(np.float32))
    return np.stack(frames), np.stack(marks)
