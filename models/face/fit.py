"""Bring the canonical face to one person: similarity fit, the person's own mesh, and rings out to the picture's edge.

Everything is a displacement of the portrait's own pixels, so a mesh at rest reproduces the portrait exactly:
`px = rest_px + scale * R @ (moved - shape)`, with `shape` in canonical centimetres and `scale * R` the portrait's pose.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from .canonical import CHIN, OUTER_CORNERS, Template, coarse, subdivided
from .regions import smoothstep

RINGS = 12
MARGIN = 0.15            # of the picture's side: how far the rings reach beyond the picture
FIT_ABOVE = -2.5         # cm; points lower than this move with the jaw and would tilt the fit
REACH = 4.2              # cm around the face over which its own motion fades out
HAIR_DEPTH = -3.0        # cm; depth of what surrounds the face
NECK_DEPTH = -1.0        # cm
FLAT = -0.2              # cm; the face's sides are drawn no deeper than about this, so that a turn never folds them


@dataclass(frozen=True, slots=True)
class Similarity:
    """`picture = scale * rotation @ canonical + shift`, picture axes being x right, y up, z towards the viewer, px."""

    scale: float                             # px per cm
    rotation: NDArray[np.float32]            # [3, 3]
    shift: NDArray[np.float32]               # [3]

    def invert(self, points: NDArray[np.float32]) -> NDArray[np.float32]:
        """Picture points [n, 3] to canonical centimetres."""
        return ((points - self.shift) @ self.rotation) / np.float32(self.scale)


@dataclass(frozen=True, slots=True)
class Mesh:
    """A person at rest. The first `len(template.vertices)` vertices are the face, the others the rings around it."""

    template: Template
    fit: Similarity
    shape: NDArray[np.float32]               # [V, 3] cm, canonical axes, the person's own geometry
    rest: NDArray[np.float32]                # [V, 2] px of the portrait
    triangles: NDArray[np.int32]             # [T, 3]
    anchor: NDArray[np.int32]                # [V] face vertex whose motion a vertex shares
    follow: NDArray[np.float32]              # [V] in [0, 1], how much of it
    head: NDArray[np.float32]                # [V] in [0, 1], how much of the head's rigid motion
    eye_distance: float                      # cm between the outer eye corners


def umeyama(source: NDArray[np.float32], target: NDArray[np.float32]) -> Similarity:
    """Least-squares similarity of [n, 3] `source` onto `target` (Umeyama 1991, PAMI 13:376)."""
    a, b = source.astype(float), target.astype(float)
    ma, mb = a.mean(0), b.mean(0)
    u, d, vt = np.linalg.svd((b - mb).T @ (a - ma) / len(a))
    sign = np.ones(3)
    sign[2] = np.sign(np.linalg.det(u @ vt))
    rotation = u @ np.diag(sign) @ vt
    scale = float((d * sign).sum() / (a - ma).var(0).sum())
    return Similarity(scale, rotation.astype(np.float32), (mb - scale * rotation @ ma).astype(np.float32))


def picture_axes(landmarks: NDArray[np.float32]) -> NDArray[np.float32]:
    """Landmarks [n, 3] (y down, z away) to x right, y up, z towards the viewer."""
    return landmarks * np.array([1, -1, -1], np.float32)


def fit_mesh(landmarks: NDArray[np.float32], side: int) -> Mesh:
    """The person's mesh from landmarks f32 [478, 3] in px of a square portrait of `side` px."""
    template = subdivided()
    canonical, _ = coarse()
    measured = picture_axes(landmarks[:468])
    stable = canonical[:, 1] > FIT_ABOVE
    fit = umeyama(canonical[stable], measured[stable])
    face = fit.invert(template.refine(measured))
    face_px = template.refine(landmarks[:468, :2])
    ring_px, spokes = _rings(face_px[template.oval], side)
    anchor = np.concatenate([np.arange(len(face)), template.oval[spokes]]).astype(np.int32)
    rest = np.concatenate([face_px, ring_px])
    away = np.linalg.norm(rest - rest[anchor], axis=1) / fit.scale
    shape = _depths(face, rest, anchor, away, fit)
    triangles = np.concatenate([template.triangles, _ring_triangles(template.oval, len(face))])
    distance = float(np.linalg.norm(face[OUTER_CORNERS[0]] - face[OUTER_CORNERS[1]]))
    return Mesh(template, fit, shape, rest, triangles, anchor, (1 - smoothstep(0, REACH, away)).astype(np.float32),
                _head_weight(shape, face[CHIN, 1], len(template.oval)), distance)


def _rings(oval: NDArray[np.float32], side: int) -> tuple[NDArray[np.float32], NDArray[np.intp]]:
    """Vertices on spokes from the face's outline [n, 2] to beyond the picture: px [n * RINGS, 2] and their spokes."""
    centre = oval.mean(0)
    spoke = oval - centre
    low, high = -MARGIN * side, (1 + MARGIN) * side
    with np.errstate(divide="ignore"):
        limits = np.where(spoke > 0, (high - centre) / spoke, (low - centre) / spoke)
    reach = np.maximum(limits.min(1), 1.2)                                   # in lengths of the spoke
    fraction = (np.arange(1, RINGS + 1) / RINGS) ** 1.4
    length = 1 + (reach - 1)[None] * fraction[:, None]                       # [RINGS, n]
    points = centre + spoke[None] * length[..., None]
    spokes = np.tile(np.arange(len(oval)), RINGS)
    return points.reshape(-1, 2).astype(np.float32), spokes


def _ring_triangles(oval: NDArray[np.int32], first: int) -> NDArray[np.int32]:
    n = len(oval)
    rows = [oval] + [first + r * n + np.arange(n, dtype=np.int32) for r in range(RINGS)]
    out = []
    for inner, outer in pairwise(rows):
        out.append(np.stack([inner, outer, np.roll(outer, -1)], 1))
        out.append(np.stack([inner, np.roll(outer, -1), np.roll(inner, -1)], 1))
    return np.concatenate(out).astype(np.int32)


def _depths(face: NDArray[np.float32], rest: NDArray[np.float32], anchor: NDArray[np.int32],
            away: NDArray[np.float32], fit: Similarity) -> NDArray[np.float32]:
    """Canonical positions of all vertices; the sides of the head are flattened, its surroundings lie behind."""
    depth = FLAT + np.logaddexp(0, (face[:, 2] - FLAT) * 2) / 2              # soft maximum of z and FLAT
    # Beside and over the face the head goes on; under the chin the neck lies well behind it at once.
    under = smoothstep(-0.2, 0.8, (rest[:, 1] - rest[anchor, 1]) / np.maximum(away * fit.scale, 1e-3))
    behind = HAIR_DEPTH + (NECK_DEPTH - HAIR_DEPTH) * under
    z = depth[anchor] + (behind - depth[anchor]) * smoothstep(0, 6.0 - 3.4 * under, away)
    picture = np.concatenate([rest * [1, -1], np.zeros((len(rest), 1))], axis=1).astype(np.float32)
    shape = fit.invert(picture)
    # Slide along the line of sight until the canonical z is the wanted one: the picture position stays.
    sight = fit.rotation.T @ np.array([0, 0, 1], np.float32)
    return (shape + ((z - shape[:, 2]) / sight[2])[:, None] * sight).astype(np.float32)


def _head_weight(shape: NDArray[np.float32], chin: float, outermost: int) -> NDArray[np.float32]:
    """1 on the head, falling along the neck to a little on the shoulders; the last ring is fixed, so that no motion
    leaves a part of the picture uncovered.
    """
    x, y = np.abs(shape[:, 0]), shape[:, 1]
    neck = smoothstep(chin + 0.5, chin - 7.5, y)
    shoulder = smoothstep(10, 14, x) * smoothstep(chin + 9, chin + 3, y)     # broad beside a neck
    weight = (1 - 0.92 * np.maximum(neck, shoulder)).astype(np.float32)
    weight[-outermost:] = 0
    return weight
