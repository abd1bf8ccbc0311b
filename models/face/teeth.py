"""Teeth, gums and tongue as painted textures, in the colour of the portrait's own light.

Tooth widths and heights are the averages of dental anatomy (Wheeler's Dental Anatomy; centimetres), set on an
elliptical arch and seen from the front, so that they narrow and darken towards the corners of the mouth.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .regions import smoothstep

DENSITY = 56                 # texture px per cm
HALF = 3.0                   # cm from the middle to the texture's sides
ABOVE, BELOW = 1.9, 0.35     # cm from the biting edge to the texture's ends, gum side first
# Widths, crown heights, and how much higher each tooth ends than the front one; from the middle outwards.
_UPPER = ((0.86, 0.66, 0.76, 0.70, 0.68, 1.0), (1.02, 0.88, 0.98, 0.84, 0.76, 0.70), (0.0, 0.07, 0.0, 0.09, 0.14, 0.18))
_LOWER = ((0.53, 0.59, 0.68, 0.70, 0.70, 1.0), (0.84, 0.88, 0.98, 0.84, 0.78, 0.72),
          (0.0, 0.01, -0.02, 0.06, 0.12, 0.16))
ENAMEL = np.array([0.93, 0.90, 0.84])
_GUM = np.array([0.66, 0.36, 0.35])
_FLESH = np.array([0.62, 0.31, 0.30])
_CAVITY = np.array([0.28, 0.107, 0.098])


@dataclass(frozen=True, slots=True)
class Palette:
    """Colours f32 [3] in 0..255 under the portrait's light."""

    enamel: NDArray[np.float32]
    gum: NDArray[np.float32]
    tongue: NDArray[np.float32]
    cavity: NDArray[np.float32]


def palette(light: NDArray[np.float64], level: float, colourful: float = 1.0) -> Palette:
    """Colours under a `light` of chroma [3] (mean one) in which enamel shows at `level` in 0..255.

    `colourful` in [0, 1] is 0 for a picture of greys: its light tints all there is to see.
    """
    unit = level / float(ENAMEL.mean())
    colours = (colour.mean() + (colour - colour.mean()) * colourful for colour in (ENAMEL, _GUM, _FLESH, _CAVITY))
    return Palette(*(np.clip(colour * light * unit, 0, 255).astype(np.float32) for colour in colours))


def row_of_teeth(colours: Palette, upper: bool) -> NDArray[np.float32]:
    """Texture f32 [h, w, 4], colour 0..255 premultiplied by opacity 0..1. Row 0 is on the gum's side.

    x = 0 is the middle column; the biting edge of the front teeth lies ABOVE cm under row 0 (over it for lower teeth,
    whose texture is used upside down).
    """
    widths, crowns, steps = _UPPER if upper else _LOWER
    x = (np.arange(round(2 * HALF * DENSITY)) + 0.5) / DENSITY - HALF
    y = (np.arange(round((ABOVE + BELOW) * DENSITY)) + 0.5) / DENSITY - ABOVE       # 0 at the biting edge, gum negative
    along, depth = _arch(np.abs(x), 2.75 if upper else 2.45)
    ends = np.cumsum(widths)
    tooth = np.minimum(np.searchsorted(ends, along), len(widths) - 1)
    width = np.array(widths)[tooth]
    t = np.clip((along - (ends[tooth] - width / 2)) / (width / 2), -1, 1)            # -1 .. 1 across a tooth
    edge = -np.array(steps)[tooth] - 0.05 * np.abs(t) ** 5 - np.where(tooth == 2, 0.06 * np.abs(t), 0.0)
    margin = edge - np.array(crowns)[tooth] + 0.10 * t**2 + 0.06 * np.abs(t) ** 6
    shade = np.exp(-depth / 3.4) * (1 - 0.10 * t**2 - 0.17 * smoothstep(0.82, 1.0, np.abs(t)))
    inside = smoothstep(0.025, -0.025, y[:, None] - edge[None])
    gum = smoothstep(0.05, -0.05, y[:, None] - margin[None])
    rise = (edge[None] - y[:, None]) / np.array(crowns)[tooth][None]                 # 0 at the edge, 1 at the gum
    tone = shade[None] * (1 - 0.10 * smoothstep(0.16, 0.0, rise) - 0.10 * smoothstep(0.6, 1.0, rise))
    tone = tone + 0.06 * np.exp(-(((t[None] + 0.15) / 0.35) ** 2) - ((rise - 0.55) / 0.22) ** 2)
    warm = 1 - np.array([0.0, 0.02, 0.08]) * smoothstep(0.5, 1.0, rise)[..., None]
    enamel = colours.enamel * tone[..., None] * warm
    roots = colours.gum * (np.exp(-depth / 2.6) * (0.92 - 0.20 * np.abs(t) ** 3))[None, :, None] \
        * (1 - 0.35 * smoothstep(0.0, 0.9, margin[None] - y[:, None]))[..., None]
    colour = enamel + (roots - enamel) * gum[..., None]
    return np.concatenate([colour * inside[..., None], inside[..., None]], axis=2).astype(np.float32)


def _arch(x: NDArray[np.float64], half: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Length along the dental arch and depth behind the front teeth (cm) at lateral positions x >= 0."""
    angle = np.linspace(0, np.pi / 2, 400)
    across, back = half * np.sin(angle), 4.0 * (1 - np.cos(angle))
    length = np.concatenate([[0], np.cumsum(np.hypot(np.diff(across), np.diff(back)))])
    return np.interp(x, across, length), np.interp(x, across, back)
