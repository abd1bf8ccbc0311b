"""Does the portrait wear glasses? A frame must not bend with brows and lids."""

import cv2
import numpy as np
from numpy.typing import NDArray

from .canonical import OUTER_CORNERS

NASION = 168                 # mesh point on the bridge of the nose, between the eyes
ACROSS, DOWN = 0.07, 0.10    # of the distance between the outer eye corners: half size of the patch looked at
EDGE = 0.16                  # contrast, over the patch's brightness, that skin does not have there


def wears_glasses(image: NDArray[np.uint8], landmarks: NDArray[np.float32]) -> bool:
    """Whether a bridge crosses the nose of a portrait u8 RGB: a sharp edge across nearly every column of its root."""
    eyes = float(np.linalg.norm(landmarks[OUTER_CORNERS[0]] - landmarks[OUTER_CORNERS[1]]))
    axis = (landmarks[OUTER_CORNERS[1], :2] - landmarks[OUTER_CORNERS[0], :2]) / eyes
    across, down = np.meshgrid(np.linspace(-ACROSS, ACROSS, 25), np.linspace(-DOWN, DOWN, 41))
    px = landmarks[NASION, :2] + eyes * (across[..., None] * axis + down[..., None] * np.array([-axis[1], axis[0]]))
    grey = cv2.GaussianBlur(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32), (0, 0), 0.006 * eyes)
    patch = cv2.remap(grey, px[..., 0].astype(np.float32), px[..., 1].astype(np.float32), cv2.INTER_LINEAR)
    step = np.abs(patch[4:] - patch[:-4]).max(0)                 # over a tenth of the patch's height
    return float(np.percentile(step, 20) / max(float(patch.mean()), 1.0)) > EDGE
