"""One portrait, ready to be drawn with any expression. `FaceRenderer(...)` is slow and once, `draw` fast and often."""

import cv2
import numpy as np
from limner.engine.types import ARKIT, POSE_SIZE
from numpy.typing import NDArray

from .deform import build_rig, new_posed, pose
from .eyes import build_eye
from .fit import fit_mesh
from .layers import DETAIL, behind, compose, person_texture
from .light import measure_light
from .lipline import settle_lips
from .mouth import build_mouth
from .plate import find_teeth
from .raster import GAIN_ONE, draw_map
from .shade import build_shade


class FaceRenderer:
    """Draws one person.

    `image` u8 RGB [S, S, 3], `landmarks` f32 [478, 3] px, `mask` f32 [S, S] of the person in [0, 1], `background` u8
    [S, S, 3] the view behind the person; pass another picture of that size to replace it.
    """

    def __init__(self, image: NDArray[np.uint8], landmarks: NDArray[np.float32], mask: NDArray[np.float32],
                 background: NDArray[np.uint8]) -> None:
        height, width = mask.shape
        self.size = (height, width)
        settled = settle_lips(image, landmarks)
        self.rig = build_rig(fit_mesh(settled, width))
        mesh, template = self.rig.mesh, self.rig.mesh.template
        self.background = behind(image, mask, background)
        self._texture = person_texture(image, mask, self.background)
        self._uv = np.ascontiguousarray(mesh.rest * np.float32(DETAIL))
        strips = [_strip(template.inner_upper, template.inner_lower), *(_strip(*lids) for lids in template.lids)]
        self._triangles = np.ascontiguousarray(np.concatenate([mesh.triangles, *strips]))
        self._shade = build_shade(mesh)
        smile = find_teeth(image, mesh)
        colours = measure_light(image, mesh, landmarks, smile.colour if smile else None)
        self._mouth = build_mouth(self.rig, colours, smile)
        self._eyes = [build_eye(self.rig, image, landmarks, side) for side in (0, 1)]
        self._posed = new_posed(self.rig)
        self._whole = np.zeros((height, width, 2), np.int16)
        self._fraction = np.zeros((height, width), np.uint16)
        self._gain = np.full((height, width), GAIN_ONE, np.uint16)
        self._person = np.empty((height, width, 4), np.uint8)
        self.opened = float(self.rig.lips.rest.max()) > 1e-3

    def draw(self, weights: NDArray[np.float32], turn: NDArray[np.float32] | None = None, relax: float = 0.0,
             breath: float = 0.0) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Picture u8 RGB [S, S, 3] and opacity u8 [S, S] for `weights` f32 [52] and head motion `turn` [6].

        `relax` in [0, 1] takes an open or smiling mouth to rest; `breath` in [-1, 1] lifts the shoulders.
        """
        turn = np.zeros(POSE_SIZE, np.float32) if turn is None else turn
        weights = np.clip(weights[:len(ARKIT)], 0, 1).astype(np.float32)
        posed = self._posed
        pose(self.rig, weights, turn, relax, breath, posed)
        shade = self._shade.at(weights)
        draw_map(posed.px, self._uv, shade, self._triangles, self._whole, self._fraction, self._gain)
        cv2.remap(self._texture, self._whole, self._fraction, cv2.INTER_LINEAR, self._person, cv2.BORDER_REPLICATE)
        out, alpha = np.empty((*self.size, 3), np.uint8), np.empty(self.size, np.uint8)
        compose(self._person, self._gain, self.background, out, alpha)
        for eye in self._eyes:
            eye.draw(posed, weights, out)
        self._mouth.draw(posed, weights, relax if self.opened else 1.0, out)
        return out, alpha


def _strip(upper: NDArray[np.int32], lower: NDArray[np.int32]) -> NDArray[np.int32]:
    """Triangles that span an opening, so that the map is defined inside it."""
    a, b, c, d = upper[:-1], upper[1:], lower[:-1], lower[1:]
    return np.concatenate([np.stack([a, b, d], 1), np.stack([a, d, c], 1)])
