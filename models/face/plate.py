"""A smile's own teeth: where a portrait shows them, they are laid into the painted row, so that they stay."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from .fit import Mesh
from .teeth import ABOVE, DENSITY, HALF

LEAST = 0.25                 # share of the opening that must look like teeth


@dataclass(frozen=True, slots=True)
class Smile:
    """Teeth seen in a portrait: mean `colour` f32 [3], height of their biting `edge` in cm, and where they are seen."""

    colour: NDArray[np.float32]
    edge: float
    image: NDArray[np.uint8]
    seen: NDArray[np.float32]                # [H, W] in [0, 1]


def find_teeth(image: NDArray[np.uint8], mesh: Mesh) -> Smile | None:
    """The teeth of a portrait u8 RGB whose lips are parted, or None."""
    template = mesh.template
    opening = np.zeros(image.shape[:2], np.uint8)
    outline = np.concatenate([mesh.rest[template.inner_upper], mesh.rest[template.inner_lower][::-1]])
    cv2.fillPoly(opening, [np.rint(outline * 16).astype(np.int32)], 255, shift=4)
    inside = opening > 0
    lips = np.concatenate([mesh.rest[template.outer_upper], mesh.rest[template.outer_lower][::-1]])
    rim = np.zeros_like(opening)
    cv2.fillPoly(rim, [np.rint(lips * 16).astype(np.int32)], 255, shift=4)
    around = (rim > 0) & ~inside
    if inside.sum() < 30 or around.sum() < 30:
        return None
    lab = cv2.cvtColor(image, cv2.COLOR_RGB2LAB).astype(np.float32)
    lip = np.median(lab[around], axis=0)
    bright = np.clip((lab[..., 0] - lip[0] - 8) / 25, 0, 1) * np.clip((lip[1] + 2 - lab[..., 1]) / 6, 0, 1)
    seen = cv2.GaussianBlur(bright * cv2.erode(opening, np.ones((3, 3), np.uint8)) / 255, (0, 0), 0.7)
    if seen[inside].mean() < LEAST:
        return None
    strong = seen > 0.6
    colour = np.percentile(image[strong].astype(np.float32), 70, axis=0) if strong.sum() > 20 else None
    if colour is None:
        return None
    rows = np.nonzero(strong)[0]
    lowest = mesh.rest[template.inner_upper[len(template.inner_upper) // 2], 1]
    edge_px = float(np.percentile(rows, 96))
    top = mesh.shape[template.inner_upper[len(template.inner_upper) // 2], 1]
    edge = float(top - max(edge_px - lowest, 0) / mesh.fit.scale)
    return Smile(colour.astype(np.float32), edge, image, seen.astype(np.float32))


def lay_in(row: NDArray[np.float32], smile: Smile, bite: float, to_px: NDArray[np.float32]) -> NDArray[np.float32]:
    """The upper row's texture [h, w, 4] with the smile's own teeth where they are seen.

    `to_px` [2, 3] takes skull centimetres on the plane of the teeth to px of the portrait.
    """
    h, w = row.shape[:2]
    x, y = np.meshgrid((np.arange(w) + 0.5) / DENSITY - HALF, bite + ABOVE - (np.arange(h) + 0.5) / DENSITY)
    u = (to_px[0, 0] * x + to_px[0, 1] * y + to_px[0, 2]).astype(np.float32)
    v = (to_px[1, 0] * x + to_px[1, 1] * y + to_px[1, 2]).astype(np.float32)
    own = cv2.remap(smile.image, u, v, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE).astype(np.float32)
    seen = np.clip(cv2.remap(smile.seen, u, v, cv2.INTER_LINEAR) * 1.6 - 0.2, 0, 1)[..., None]
    out = row.copy()
    out[..., :3] = row[..., :3] * (1 - seen) + own * seen
    out[..., 3:] = np.maximum(row[..., 3:], seen)
    return out
