"""The portrait's light, measured on the person: how white things look in it."""

import cv2
import numpy as np
from numpy.typing import NDArray

from .fit import Mesh
from .regions import smoothstep
from .teeth import ENAMEL, Palette, palette

_SKIN = np.array([1.22, 0.97, 0.81])             # chroma of human skin under white light, mean over tones
MUTED = 0.8                                      # eyes and skin overstate a coloured light's tint on enamel
_FADED = (3.0, 14.0)                             # CIELAB chroma of skin: in a picture of greys, of pale skin in colour
_CHEEKS = (50, 101, 118, 280, 330, 347, 205, 425, 151, 9)


def measure_light(image: NDArray[np.uint8], mesh: Mesh, landmarks: NDArray[np.float32],
                  enamel: NDArray[np.float32] | None) -> Palette:
    """Mouth colours for a portrait u8 RGB: chroma from skin and the white of the eyes, level from the brighter of both.

    `enamel` is the colour of teeth seen in the portrait itself and then settles both.
    """
    skin = _patches(image, landmarks[list(_CHEEKS), :2], mesh.fit.scale * 0.5)
    tone = np.median(skin, axis=0)
    colourful = float(smoothstep(*_FADED, _saturation(tone)))
    enamel_chroma, skin_chroma = (1 + (_chroma(c) - 1) * colourful for c in (255 * ENAMEL, 255 * _SKIN))
    if enamel is not None:
        chroma = _chroma(enamel.astype(float)) / enamel_chroma
        return palette(chroma / chroma.mean(), min(float(enamel.mean()), 235.0), colourful)
    white = _sclera(image, mesh, landmarks)
    chroma = _chroma(tone) / skin_chroma
    if white is not None:
        chroma = np.sqrt(chroma * _chroma(white))
    chroma = (chroma / chroma.mean()) ** MUTED
    level = 1.02 * float(np.percentile(skin.mean(1), 80))
    if white is not None:
        level = max(level, 1.05 * float(white.mean()))
    return palette(chroma / chroma.mean(), min(level, 225.0), colourful)


def _saturation(colour: NDArray[np.float64]) -> float:
    """CIELAB chroma of an sRGB colour [3] in 0..255."""
    lab = cv2.cvtColor((colour / 255).astype(np.float32)[None, None], cv2.COLOR_RGB2LAB)[0, 0]
    return float(np.hypot(lab[1], lab[2]))


def _chroma(colour: NDArray[np.float64]) -> NDArray[np.float64]:
    return (colour + 4) / (colour + 4).mean()


def _patches(image: NDArray[np.uint8], centres: NDArray[np.float32], reach: float) -> NDArray[np.float64]:
    """Pixels [n, 3] in squares of half side `reach` px."""
    r = max(int(reach), 1)
    out = []
    for x, y in np.rint(centres).astype(int):
        out.append(image[max(y - r, 0):y + r + 1, max(x - r, 0):x + r + 1].reshape(-1, 3))
    return np.concatenate(out).astype(float)


def _sclera(image: NDArray[np.uint8], mesh: Mesh, landmarks: NDArray[np.float32]) -> NDArray[np.float64] | None:
    """Colour of the whites of both eyes, or None where they are too small to tell."""
    found = []
    for side, (upper, lower) in enumerate(mesh.template.lids):
        shape = np.zeros(image.shape[:2], np.uint8)
        outline = np.concatenate([mesh.rest[upper], mesh.rest[lower][::-1]])
        cv2.fillPoly(shape, [np.rint(outline * 16).astype(np.int32)], 255, shift=4)
        rim = landmarks[468 + 5 * side:473 + 5 * side, :2]
        radius = float(np.linalg.norm(rim[1:] - rim[0], axis=1).mean())
        cv2.circle(shape, tuple(int(v) for v in np.rint(rim[0])), int(radius * 1.25) + 1, 0, -1)
        pixels = image[cv2.erode(shape, np.ones((3, 3), np.uint8)) > 0].astype(float)
        if len(pixels) >= 8:
            found.append(pixels[pixels.mean(1) >= np.percentile(pixels.mean(1), 60)])
    return np.median(np.concatenate(found), axis=0) if found else None
