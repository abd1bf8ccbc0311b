"""The portrait as layers: the person's own colours with opacity, over a background painted in behind.

At the portrait's own pose the layers compose to the portrait itself (Porter & Duff 1984, `over`): the person's colours
are solved from it where the matte is partial, `F = (I - (1 - a) B) / a`.
"""

import cv2
import numpy as np
from numba import njit
from numpy.typing import NDArray

from .raster import GAIN_ONE

ENLARGED = 640               # px; a portrait up to this side is enlarged, so that lashes survive bilinear reading


def separate(image: NDArray[np.uint8], mask: NDArray[np.float32], background: NDArray[np.uint8],
             still: NDArray[np.float32]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """The person u8 [H, W, 4], straight alpha, and what is behind, u8 [H, W, 3].

    `background` is the guessed view behind the person. `still` f32 [H, W] in [0, 1] says where the person hardly moves:
    there, whatever the matte misses of them may as well stay in the background.
    """
    alpha = np.clip(mask, 0, 1).astype(np.float32)
    whole, back = image.astype(np.float32), _behind(image.astype(np.float32), alpha, background)
    alpha = alpha[..., None]
    solved = (whole - (1 - alpha) * back) / np.maximum(alpha, 0.05)
    inner = spread_colour(whole, alpha[..., 0] > 0.95)
    trust = np.clip((alpha - 0.15) / 0.45, 0, 1)
    colour = np.where(alpha > 0.995, whole, np.clip(inner + (solved - inner) * trust, 0, 255))
    left = whole - alpha * colour - (1 - alpha) * back
    colour = np.clip(colour + left * (1 - still[..., None]) / np.maximum(alpha, 0.25), 0, 255)
    left = (whole - alpha * colour - (1 - alpha) * back) * still[..., None]
    back = np.where(alpha < 0.995, np.clip(back + left / np.maximum(1 - alpha, 0.05), 0, 255), back)
    texture = np.rint(np.concatenate([colour, alpha * 255], axis=2)).clip(0, 255)
    return texture.astype(np.uint8), np.rint(back).clip(0, 255).astype(np.uint8)


def enlarge(texture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Twice the size [2 H, 2 W, c] by cubic interpolation; pixel (x, y) becomes (2 x, 2 y) exactly."""
    size = (texture.shape[1] * 2, texture.shape[0] * 2)
    return cv2.warpAffine(texture, np.float32([[2, 0, 0], [0, 2, 0]]), size, flags=cv2.INTER_CUBIC,
                          borderMode=cv2.BORDER_REPLICATE)


def _behind(image: NDArray[np.float32], alpha: NDArray[np.float32],
            background: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The background, with what touches the person carried on behind them, where a moving head uncovers it."""
    clear = cv2.dilate(alpha, np.ones((3, 3), np.uint8)) < 0.02
    carried = spread_colour(image, clear)
    inward = cv2.distanceTransform((~clear).astype(np.uint8), cv2.DIST_L2, 5)[..., None]
    share = np.clip(inward / (0.06 * len(image)) - 0.4, 0, 1)
    out = carried + (background.astype(np.float32) - carried) * share
    return np.where(clear[..., None], image, out).astype(np.float32)


def spread_colour(image: NDArray[np.float32], known: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Colours of `known` pixels f32 [H, W, 3] carried smoothly everywhere else (push-pull, Gortler et al. 1996)."""
    weight = known.astype(np.float32)[..., None]
    levels = [(image * weight, weight)]
    while min(levels[-1][0].shape[:2]) > 1:
        levels.append(tuple(_halve(plane) for plane in levels[-1]))
    colour = levels[-1][0] / np.maximum(levels[-1][1], 1e-6)
    for total, soft in levels[-2::-1]:
        size = (total.shape[1], total.shape[0])
        coarse = cv2.resize(colour, size, interpolation=cv2.INTER_LINEAR).reshape(total.shape)
        sure = np.minimum(soft, 1)
        colour = total / np.maximum(soft, 1e-6) * sure + coarse * (1 - sure)
    return colour


def _halve(plane: NDArray[np.float32]) -> NDArray[np.float32]:
    """Half the size, keeping the sum of 2 x 2 px, so that a weight of one px is enough to count as known."""
    smooth = cv2.GaussianBlur(plane, (0, 0), 0.8)
    size = ((plane.shape[1] + 1) // 2, (plane.shape[0] + 1) // 2)
    return 4 * cv2.resize(smooth, size, interpolation=cv2.INTER_AREA).reshape(size[1], size[0], -1)


@njit(cache=True, nogil=True)
def compose(person, gain, background, cutout, out, alpha):
    """`person` u8 [H, W, 4] times `gain` u16 over `background` u8 [H, W, 3] into `out` and its opacity into `alpha`.

    With `cutout` nothing is behind: `out` has the person's straight colours, also where they are not opaque.
    """
    half, one = np.uint32(GAIN_ONE // 2), np.uint32(255)
    for y in range(out.shape[0]):
        for x in range(out.shape[1]):
            a = np.uint32(person[y, x, 3])
            alpha[y, x] = a
            if a == 0 and not cutout:
                for k in range(3):
                    out[y, x, k] = background[y, x, k]
                continue
            g = np.uint32(gain[y, x])
            for k in range(3):
                value = min((np.uint32(person[y, x, k]) * g + half) // np.uint32(GAIN_ONE), one)
                if a < one and not cutout:
                    value = (value * a + np.uint32(background[y, x, k]) * (one - a) + np.uint32(127)) // one
                out[y, x, k] = value
