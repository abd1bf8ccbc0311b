"""The relief of a face: normals and depth of the canonical face, bent to a character, drawn on a canvas and lit."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from limner.models.face.canonical import coarse

from .paint import Canvas, Mask


@dataclass(frozen=True, slots=True)
class Relief:
    """`normals` f32 [S, S, 3] (x to the sitter's left, y up, z to the viewer), `inside` the face's own mask [S, S]."""

    normals: NDArray[np.float32]
    inside: Mask


Move = tuple[tuple[float, float], float, tuple[float, float, float]]


def bend(points: NDArray[np.float32], *moves: Move) -> NDArray[np.float32]:
    """Move the canonical points [468, 3] cm: each move is (centre x, y), reach in cm, and the shift at its centre.

    Centres off the midline move both sides of the face alike.
    """
    out = points.astype(np.float64)
    for (cx, cy), reach, shift in moves:
        for side in (1, -1) if cx else (1,):
            weight = np.exp(-0.5 * np.square((points[:, :2] - [side * cx, cy]) / reach).sum(1))
            out += weight[:, None] * (np.array(shift) * [side, 1, 1])
    return out.astype(np.float32)


def magnify(points: NDArray[np.float32], centre: tuple[float, float], reach: float,
            sx: float, sy: float) -> NDArray[np.float32]:
    """Scale the face about a point (and its mirror image) by `sx`, `sy`, fading with the distance over `reach` cm."""
    out = points.astype(np.float64)
    for side in (1, -1) if centre[0] else (1,):
        middle = np.array([side * centre[0], centre[1]])
        offset = points[:, :2] - middle
        weight = np.exp(-0.5 * np.square(offset / reach).sum(1))[:, None]
        out[:, :2] += weight * offset * (np.array([sx, sy]) - 1)
    return out.astype(np.float32)


def relief(canvas: Canvas, points: NDArray[np.float32], soft: float) -> Relief:
    """Draw the bent points [468, 3] as smooth normals, blurred by `soft` cm; eye and mouth holes are closed."""
    _, triangles = coarse()
    normals = _vertex_normals(points, triangles)
    image = np.zeros((canvas.side, canvas.side, 3), np.float32)
    cover = np.zeros((canvas.side, canvas.side), np.float32)
    px = canvas.to_px(points[:, :2])
    order = np.argsort(points[triangles, 2].mean(1))                  # far ones first
    for corners in triangles[order]:
        _triangle(image, cover, px[corners], normals[corners])
    hull = cv2.convexHull(px.astype(np.float32)).astype(np.int32)
    inside = cv2.fillConvexPoly(np.zeros(cover.shape, np.uint8), hull, 255, cv2.LINE_AA).astype(np.float32) / 255
    sigma = soft * canvas.scale
    wide = cv2.GaussianBlur(cover, (0, 0), sigma * 4)[..., None]
    closed = cv2.GaussianBlur(image, (0, 0), sigma * 4) / np.maximum(wide, 1e-4)
    smooth = cv2.GaussianBlur(np.where(cover[..., None] > 0, image, closed), (0, 0), sigma)
    length = np.linalg.norm(smooth, axis=2, keepdims=True)
    return Relief(smooth / np.maximum(length, 1e-4), inside)


def lambert(normals: NDArray[np.float32], direction: tuple[float, float, float], wrap: float = 0.0) -> Mask:
    """Diffuse light [S, S] in [0, 1] from `direction`; `wrap` lets it reach around the edge, as skin does."""
    light = np.asarray(direction, np.float32) / np.linalg.norm(direction)
    return np.clip((normals @ light.astype(np.float32) + wrap) / (1 + wrap), 0, 1)


def gloss(normals: NDArray[np.float32], direction: tuple[float, float, float], power: float) -> Mask:
    """Blinn's highlight [S, S] in [0, 1] for a viewer straight ahead."""
    half = np.asarray(direction, float) / np.linalg.norm(direction) + [0, 0, 1]
    half = (half / np.linalg.norm(half)).astype(np.float32)
    return np.clip(normals @ half, 0, 1)**power


def _vertex_normals(points: NDArray[np.float32], triangles: NDArray[np.int32]) -> NDArray[np.float32]:
    a, b, c = (points[triangles[:, i]] for i in range(3))
    face = np.cross(b - a, c - a)
    face *= np.sign(np.median(face[:, 2]))                           # most of a face looks at the viewer
    normals = np.zeros_like(points)
    for i in range(3):
        np.add.at(normals, triangles[:, i], face)
    return normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-9)


def _triangle(image: NDArray[np.float32], cover: Mask, px: NDArray[np.float64], values: NDArray[np.float32]) -> None:
    """Fill one triangle [3, 2] px with `values` [3, 3] interpolated between its corners."""
    low = np.maximum(np.floor(px.min(0)).astype(int) - 1, 0)
    high = np.minimum(np.ceil(px.max(0)).astype(int) + 2, image.shape[1])
    if (high <= low).any():
        return
    x, y = np.meshgrid(np.arange(low[0], high[0]), np.arange(low[1], high[1]))
    (ax, ay), (bx, by), (cx, cy) = px
    area = (bx - ax) * (cy - ay) - (cx - ax) * (by - ay)
    if abs(area) < 1e-6:
        return
    v = ((x - ax) * (cy - ay) - (cx - ax) * (y - ay)) / area
    w = ((bx - ax) * (y - ay) - (x - ax) * (by - ay)) / area
    inside = (v >= -1e-3) & (w >= -1e-3) & (v + w <= 1 + 1e-3)
    weights = np.stack([1 - v - w, v, w], axis=-1)[inside]
    region = np.s_[low[1]:high[1], low[0]:high[0]]
    image[region][inside] = weights @ values
    cover[region][inside] = 1
