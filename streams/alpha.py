"""Pictures with an opacity, in the forms that outlets take.

A `Picture` with `alpha` has straight colours: they are not multiplied by the opacity and reach out under the person's
edge, so that scaling, chroma subsampling and compression draw no dark rim. OBS, WebGL and `BGRA` consumers multiply
themselves.
"""

import dataclasses

import cv2
import numpy as np

from limner.engine.types import Picture

BLACK, LEVELS, GREY = 16, 219, 128       # BT.601 limited range: luma of black, its span, chroma of grey


def opaque(picture: Picture) -> Picture:
    """The picture over black, for outlets that know no opacity; itself where it has none."""
    if picture.alpha is None:
        return picture
    height, width = picture.size
    planes = np.empty_like(picture.planes)
    luma = cv2.subtract(np.ascontiguousarray(picture.planes[:height]), BLACK)
    planes[:height] = cv2.add(cv2.multiply(luma, picture.alpha, scale=1 / 255), BLACK)
    half = cv2.resize(picture.alpha, (width // 2, height // 2), interpolation=cv2.INTER_AREA).reshape(-1).astype(np.float32) / 255
    chroma = picture.planes[height:].reshape(2, -1).astype(np.float32) - GREY
    planes[height:] = np.rint(chroma * half + GREY).astype(np.uint8).reshape(height // 2, width)
    return dataclasses.replace(picture, planes=planes, alpha=None)


def stacked(picture: Picture) -> Picture:
    """Twice as high: the picture above, its opacity as grey below. For video codecs without an alpha channel."""
    height, width = picture.size
    alpha = np.full(picture.size, 255, np.uint8) if picture.alpha is None else picture.alpha
    planes = np.full((3 * height, width), GREY, np.uint8)
    planes[:height] = picture.planes[:height]
    planes[height:2 * height] = BLACK + (alpha.astype(np.uint16) * LEVELS + 127) // 255
    chroma = planes[2 * height:].reshape(2, height, width // 2)          # of both halves
    chroma[:, :height // 2] = picture.planes[height:].reshape(2, height // 2, width // 2)
    return dataclasses.replace(picture, planes=planes, size=(2 * height, width), alpha=None)
