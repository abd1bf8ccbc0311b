"""The portrait as layers: the person's own colours with opacity, over a background painted in behind.

At the portrait's own pose the layers compose to the portrait itself (Porter & Duff 1984, `over`): the person's colours
are solved from it where the matte is partial, `F = (I - (1 - a) B) / a`.
"""

import cv2
import numpy as np
from numba import njit
from numpy.typing import NDArray

from .raster import GAIN_ONE

DETAIL = 2                   # texture px per portrait px: bilinear reading of a cubic enlargement keeps pores and lashes


def person_texture(image: NDArray[np.uint8], mask: NDArray[np.float32],
                   background: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Texture u8 [DETAIL * H, DETAIL * W, 4] of the person, straight alpha; texture px = DETAIL * portrait px."""
    alpha = np.clip(mask, 0, 1).astype(np.float32)[..., None]
    whole = image.astype(np.float32)
    solved = (whole - (1 - alpha) * background) / np.maximum(alpha, 0.05)
    spread = _spread(whole, alpha[..., 0] > 0.95, 0.02 * len(image))
    trust = np.clip((alpha - 0.15) / 0.45, 0, 1)
    colour = np.where(alpha > 0.995, whole, np.clip(spread + (solved - spread) * trust, 0, 255))
    layers = np.concatenate([colour, alpha * 255], axis=2)
    size = (image.shape[1] * DETAIL, image.shape[0] * DETAIL)
    enlarged = cv2.warpAffine(layers, np.float32([[DETAIL, 0, 0], [0, DETAIL, 0]]), size, flags=cv2.INTER_CUBIC,
                              borderMode=cv2.BORDER_REPLICATE)
    return np.clip(np.rint(enlarged), 0, 255).astype(np.uint8)


def behind(image: NDArray[np.uint8], mask: NDArray[np.float32], background: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The background u8 [H, W, 3]: the portrait itself where no person is, what was painted in elsewhere."""
    clear = 1 - np.clip(cv2.dilate(mask.astype(np.float32), np.ones((3, 3), np.uint8)) / 0.04, 0, 1)[..., None]
    return np.rint(background + (image.astype(np.float32) - background) * clear).astype(np.uint8)


def _spread(image: NDArray[np.float32], known: NDArray[np.bool_], reach: float) -> NDArray[np.float32]:
    """Colours of `known` pixels carried outwards (normalised convolution at growing scales)."""
    weight = known.astype(np.float32)
    out, filled = image * weight[..., None], weight.copy()
    for sigma in (reach * 0.3, reach, reach * 4, reach * 16):
        soft = cv2.GaussianBlur(weight, (0, 0), sigma)
        colour = cv2.GaussianBlur(image * weight[..., None], (0, 0), sigma) / np.maximum(soft, 1e-4)[..., None]
        share = (1 - filled) * np.clip(soft * 4, 0, 1)
        out += colour * share[..., None]
        filled += share
    return out / np.maximum(filled, 1e-4)[..., None]


@njit(cache=True, nogil=True)
def compose(person, gain, background, out, alpha):
    """`person` u8 [H, W, 4] times `gain` u16 over `background` u8 [H, W, 3] into `out` and its opacity into `alpha`."""
    for y in range(out.shape[0]):
        for x in range(out.shape[1]):
            a = np.int32(person[y, x, 3])
            alpha[y, x] = a
            g = np.int32(gain[y, x])
            for k in range(3):
                value = (np.int32(person[y, x, k]) * g + GAIN_ONE // 2) // GAIN_ONE
                value = min(value, 255)
                if a < 255:
                    value = (value * a + np.int32(background[y, x, k]) * (255 - a) + 127) // 255
                out[y, x, k] = value
