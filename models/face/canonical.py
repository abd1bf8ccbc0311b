"""The canonical face: 468 points in centimetres, their triangles, and the curves the drawing code speaks of.

Vertices and connectivity are those of MediaPipe's canonical face model (google/mediapipe, Apache-2.0, see NOTICE):
x towards the person's left, y up, z towards the viewer; the mouth and the eyes are holes. `subdivided` splits every
edge once, which is fine enough that bent triangles are smaller than what a viewer sees at 1024 px.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Loop = NDArray[np.int32]

# Curves run from the person's right (low x) to the left; upper and lower curves share their two corners.
INNER_UPPER = (78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308)
INNER_LOWER = (78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308)
OUTER_UPPER = (61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291)
OUTER_LOWER = (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291)
RIGHT_UPPER = (33, 246, 161, 160, 159, 158, 157, 173, 133)
RIGHT_LOWER = (33, 7, 163, 144, 145, 153, 154, 155, 133)
LEFT_UPPER = (362, 398, 384, 385, 386, 387, 388, 466, 263)
LEFT_LOWER = (362, 382, 381, 380, 374, 373, 390, 249, 263)
OVAL = (10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377,
        152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109)
CHIN = 152
OUTER_CORNERS = (33, 263)    # of the right and the left eye


@dataclass(frozen=True, slots=True)
class Template:
    """The subdivided canonical face. Curves index `vertices`; `parents` [V, 2] are the two coarse points whose mean
    a vertex is (twice itself for the first 468), so that measured points subdivide the same way.
    """

    vertices: NDArray[np.float32]            # [V, 3] cm
    triangles: NDArray[np.int32]             # [T, 3]
    parents: NDArray[np.int32]               # [V, 2]
    inner_upper: Loop
    inner_lower: Loop
    outer_upper: Loop
    outer_lower: Loop
    lids: tuple[tuple[Loop, Loop], tuple[Loop, Loop]]        # (right, left) x (upper, lower)
    oval: Loop                               # closed, clockwise in the picture from the forehead

    def refine(self, coarse: NDArray[np.float32]) -> NDArray[np.float32]:
        """Values [468, ...] at the canonical points to values [V, ...] at all vertices."""
        return (coarse[self.parents[:, 0]] + coarse[self.parents[:, 1]]) * np.float32(0.5)


def coarse() -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Vertices f32 [468, 3] cm and triangles i32 [852, 3] of the canonical face."""
    with np.load(Path(__file__).with_name("canonical.npz"), allow_pickle=False) as data:
        return data["vertices"].astype(np.float32), data["triangles"].astype(np.int32)


@cache
def subdivided() -> Template:
    """The template every portrait is fitted with."""
    points, triangles = coarse()
    edges = np.sort(np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]]), axis=1)
    edges, inverse = np.unique(edges, axis=0, return_inverse=True)
    middle = (len(points) + inverse.reshape(3, -1)).astype(np.int32)          # rows: midpoints of ab, bc, ca
    a, b, c = triangles.T
    ab, bc, ca = middle
    fine = np.concatenate([np.stack(t, 1) for t in ((a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca))])
    own = np.arange(len(points), dtype=np.int32)
    parents = np.concatenate([np.stack([own, own], 1), edges.astype(np.int32)])
    between = {tuple(edge): len(points) + i for i, edge in enumerate(edges.tolist())}

    def curve(names: tuple[int, ...], closed: bool = False) -> Loop:
        out: list[int] = []
        for p, q in zip(names, names[1:] + names[:1], strict=True):
            out += [p, between[min(p, q), max(p, q)]] if closed or p != names[-1] else [p]
        return np.array(out, np.int32)

    vertices = (points[parents[:, 0]] + points[parents[:, 1]]) * np.float32(0.5)
    return Template(
        vertices, fine.astype(np.int32), parents,
        curve(INNER_UPPER), curve(INNER_LOWER), curve(OUTER_UPPER), curve(OUTER_LOWER),
        ((curve(RIGHT_UPPER), curve(RIGHT_LOWER)), (curve(LEFT_UPPER), curve(LEFT_LOWER))),
        curve(OVAL, closed=True),
    )
