"""One portrait, ready to be drawn with any expression. `FaceRenderer(...)` is slow and once, `draw` fast and often."""

import cv2
import numpy as np
from numpy.typing import NDArray

from limner.engine.types import ARKIT, POSE_SIZE

from .deform import build_rig, new_posed, pose
from .eyes import build_eyes
from .fit import fit_mesh
from .glasses import wears_glasses
from .layers import ENLARGED, compose, enlarge, separate, spread_colour
from .lidline import settle_lids
from .lidskin import lid_skins
from .light import measure_light
from .lipline import settle_lips
from .mouth import build_mouth
from .plate import find_teeth
from .raster import GAIN_ONE, draw_map
from .regions import smoothstep
from .shade import build_shade
from .softness import softness

CLEAN = 0.012                # of the distance between the outer eye corners
DARK = 0.022                 # the same unit: how far the dark of an open mouth's corners reaches past the lips' contour
FINER = 1.3                  # times as many px as the picture has: such a portrait is read at its own size


class FaceRenderer:
    """Draws one person.

    `image` u8 RGB [P, P, 3], `landmarks` f32 [478, 3] px, `mask` f32 [P, P] of the person in [0, 1], `background` u8
    [P, P, 3] the guessed view behind the person, all at the portrait's own size; pictures have `size` px (by default
    P). `backdrop` u8 [size, size, 3] is shown in the background's place; with `cutout` nothing is, and pictures hold
    the person's straight (not premultiplied) colours.
    """

    def __init__(self, image: NDArray[np.uint8], landmarks: NDArray[np.float32], mask: NDArray[np.float32],
                 background: NDArray[np.uint8], size: int | None = None,
                 backdrop: NDArray[np.uint8] | None = None, cutout: bool = False) -> None:
        own, side = image.shape[0], size or image.shape[0]
        self.size, self.cutout = (side, side), cutout
        small = fit_layer(image, side)
        settled = settle_lids(image, settle_lips(image, landmarks))
        glasses = wears_glasses(image, landmarks)
        self.rig = build_rig(fit_mesh(_scaled(settled, side / own), side), glasses)
        mesh, template = self.rig.mesh, self.rig.mesh.template
        self._edge = np.concatenate([template.inner_upper, template.inner_lower])
        self._layers(image, mask, background, backdrop, glasses)
        strips = [_strip(template.inner_upper, template.inner_lower), *(_strip(*lids) for lids in template.lids)]
        self._triangles = np.ascontiguousarray(np.concatenate([mesh.triangles, *strips]))
        self._shade = build_shade(mesh)
        smile = find_teeth(small, mesh)
        points = _scaled(landmarks, side / own)
        colours = measure_light(small, mesh, points, smile.colour if smile else None)
        soft = softness(small, points)
        self._mouth = build_mouth(self.rig, colours, smile, soft)
        self._eyes = build_eyes(self.rig, small, points, soft)
        self._posed = new_posed(self.rig)
        self._whole = np.zeros((side, side, 2), np.int16)
        self._fraction = np.zeros((side, side), np.uint16)
        self._gain = np.full((side, side), GAIN_ONE, np.uint16)
        self._person = np.empty((side, side, 4), np.uint8)
        self.draw(np.zeros(len(ARKIT), np.float32))              # compiles every kernel now, not at the first frame

    def _layers(self, image: NDArray[np.uint8], mask: NDArray[np.float32], background: NDArray[np.uint8],
                backdrop: NDArray[np.uint8] | None, glasses: bool) -> None:
        """Person texture with the texture px of every vertex, and the background."""
        own, side = image.shape[0], self.size[0]
        if not FINER * side <= own <= 2 * side:                  # bilinear reading is good for up to twice the picture
            own = side if own < 2 * side else 2 * side
            image, mask, background = (fit_layer(layer, own) for layer in (image, mask, background))
        # Alone, the person keeps to colours of their own: what the matte misses has no background to stay in.
        still = np.ones_like(mask) if self.cutout else self._still_parts(own)
        texture, natural = separate(image, mask, background, still)
        k = own / side
        if k == 1 and side <= ENLARGED:
            texture, k = enlarge(texture), 2
        # Pixel centres: those of an enlarged texture coincide, of a finer portrait they are k (p + 1/2) - 1/2.
        offset = 0.0 if own == side else (k - 1) / 2
        self._texture = texture
        self._uv = np.ascontiguousarray((self.rig.mesh.rest * k + offset).astype(np.float32))
        self._edge_uv = self._uv[self._edge], self._inward() * np.float32(k)
        self._emptied = self._empty_mouth(k)
        self._lids = lid_skins(texture, self._uv, self.rig.mesh, k, glasses)
        self.background = fit_layer(natural, side) if backdrop is None else np.ascontiguousarray(backdrop)

    def _inward(self) -> NDArray[np.float32]:
        """Steps px [n, 2] from the inner lip contours of an open portrait onto the lips; zero for closed ones."""
        mesh, template = self.rig.mesh, self.rig.mesh.template
        if float(self.rig.lips.rest.max()) < 1e-3:
            return np.zeros((len(self._edge), 2), np.float32)
        outer = np.concatenate([template.outer_upper, template.outer_lower])
        step = mesh.rest[outer] - mesh.rest[self._edge]
        length = np.linalg.norm(step, axis=1, keepdims=True)
        reach = np.minimum(CLEAN * mesh.eye_distance * mesh.fit.scale, 0.4 * length)
        return (step / np.maximum(length, 1e-3) * reach).astype(np.float32)

    def _empty_mouth(self, k: float) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8]] | None:
        """Part of the texture round an open portrait's mouth: the live view, its own pixels, and those with the lips'
        colours in place of teeth and dark corners; None for closed lips. `k` texture px are one of the picture.
        """
        if not self._edge_uv[1].any():
            return None
        mesh, template = self.rig.mesh, self.rig.mesh.template
        unit = mesh.eye_distance * mesh.fit.scale * k
        outline = self._uv[np.concatenate([template.inner_upper, template.inner_lower[::-1]])]
        hidden = np.zeros(self._texture.shape[:2], np.uint8)
        cv2.fillPoly(hidden, [np.rint(outline * 16).astype(np.int32)], 1, shift=4)
        corners, width = hidden.copy(), 2 * round(DARK * unit) + 1
        left, right = (int(x) for x in np.quantile(outline[:, 0], (0.2, 0.8)))
        corners[:, left:right] = 0
        hidden |= cv2.dilate(corners, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (width, width)))
        x, y, w, h = cv2.boundingRect(hidden)
        around = int(0.15 * unit)
        view = self._texture[max(y - around, 0):y + h + around, max(x - around, 0):x + w + around]
        known = hidden[max(y - around, 0):y + h + around, max(x - around, 0):x + w + around] == 0
        emptied = view.copy()
        emptied[..., :3] = np.rint(spread_colour(view[..., :3].astype(np.float32), known)).clip(0, 255)
        return view, view.copy(), emptied

    def _keep_edges_clean(self, relax: float) -> None:
        """Lips that leave an open portrait's mouth take no rim of teeth and shadow along."""
        rest, inward = self._edge_uv
        self._uv[self._edge] = rest + np.float32(relax) * inward
        if self._emptied is not None:
            view, own, emptied = self._emptied
            view[:] = cv2.addWeighted(own, 1 - relax, emptied, relax, 0)

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
        self._keep_edges_clean(relax)
        for lid in self._lids:
            lid.show(weights)
        draw_map(posed.px, self._uv, shade, self._triangles, self._whole, self._fraction, self._gain)
        cv2.remap(self._texture, self._whole, self._fraction, cv2.INTER_LINEAR, self._person, cv2.BORDER_REFLECT_101)
        out, alpha = np.empty((*self.size, 3), np.uint8), np.empty(self.size, np.uint8)
        compose(self._person, self._gain, self.background, self.cutout, out, alpha)
        for eye in self._eyes:
            eye.draw(posed, weights, out)
        self._mouth.draw(posed, weights, relax, out)
        return out, alpha

    def _still_parts(self, side: int) -> NDArray[np.float32]:
        """Where the body is that head motion does not reach, f32 [side, side] in [0, 1]."""
        mesh = self.rig.mesh
        y = np.arange(side, dtype=np.float32) * (self.size[0] / side)
        outer = np.flatnonzero(mesh.follow == 0)
        order = outer[np.argsort(mesh.rest[outer, 1])]
        moving = np.interp(y, mesh.rest[order, 1], mesh.head[order])
        return np.repeat((1 - smoothstep(0.10, 0.35, moving))[:, None], side, 1).astype(np.float32)


def fit_layer(layer: NDArray, side: int) -> NDArray:
    """A square picture, matte or background resampled to `side` px."""
    if layer.shape[0] == side:
        return layer
    how = cv2.INTER_AREA if side < layer.shape[0] else cv2.INTER_CUBIC
    return cv2.resize(layer, (side, side), interpolation=how)


def _scaled(landmarks: NDArray[np.float32], k: float) -> NDArray[np.float32]:
    """Landmarks [n, 3] of a picture made `k` times as large."""
    return (landmarks * k + [(k - 1) / 2, (k - 1) / 2, 0]).astype(np.float32)


def _strip(upper: NDArray[np.int32], lower: NDArray[np.int32]) -> NDArray[np.int32]:
    """Triangles that span an opening, so that the map is defined inside it."""
    a, b, c, d = upper[:-1], upper[1:], lower[:-1], lower[1:]
    return np.concatenate([np.stack([a, b, d], 1), np.stack([a, d, c], 1)])
