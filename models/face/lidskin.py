"""The skin of lids that shut: it unrolls smooth, where the warp alone would draw out folds, brow hair and grain.

An open upper lid is folded away under its crease; what a shut one shows is skin no portrait holds. It is painted once,
from the colours between lashes and brow with folds left out, and laid over the texture as far as the lid has come down.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from limner.engine.types import ARKIT_INDEX

from .fit import Mesh
from .layers import spread_colour
from .lids import BROW, FRAME, LASHES, LID_INPUTS, lowered
from .regions import smoothstep

BROWS = ((46, 53, 52, 65, 55), (285, 295, 282, 283, 276))        # landmarks under the right and the left brow, x rising
UNDER_BROW = 0.12            # cm kept clear of its hair
SOFT = 0.20                  # cm over which colours are smoothed
SIDE = 0.35                  # cm past the corners over which paint fades
MEETS = 0.35                 # of the full paint: where it must meet the colours of the portrait
RIM = (0.10, 0.20)           # cm round the lower edge: all paint, none
LASH = (0.75, 0.95)          # times as light as skin: surely lash or shade, surely not
HUE = (8.0, 16.0)            # CIELAB units from the hue of skin: skin, surely none
FOLD = 3.0                   # grey levels under the smoothed skin that count as a fold
SHOWN = (0.05, 0.55)         # of the way down: where the painted skin begins to show, and where nothing else does
RIM_SHOWN = (0.50, 0.85)     # the same of the lower rim: an eye that is still open shows its own
_INPUTS = np.array([[ARKIT_INDEX[name + side] for name in LID_INPUTS] for side in ("Right", "Left")])


@dataclass(slots=True)
class LidSkin:
    """One eye: the part of the live texture it lies in; that part at rest, with painted upper lid, and with both painted."""

    side: int                                # 0: the person's right
    view: NDArray[np.uint8]                  # [h, w, 4] of the texture
    own: NDArray[np.uint8]
    lid: NDArray[np.uint8]
    both: NDArray[np.uint8]
    laid: tuple[float, float] = (0.0, 0.0)   # what `view` holds: shares of lid and rim

    def show(self, weights: NDArray[np.float32]) -> None:
        """Lay the texture for `weights` f32 [52]."""
        down = lowered(weights[_INPUTS[self.side]])
        share, rim = float(smoothstep(*SHOWN, down)), float(smoothstep(*RIM_SHOWN, down))
        if (share, rim) == self.laid:            # eyes are open most of the time
            return
        self.laid = share, rim
        under = cv2.addWeighted(self.lid, 1 - rim, self.both, rim, 0) if rim else self.lid
        self.view[:] = cv2.addWeighted(self.own, 1 - share, under, share, 0)


def lid_skins(texture: NDArray[np.uint8], uv: NDArray[np.float32], mesh: Mesh, k: float, glasses: bool) -> list[LidSkin]:
    """Both eyes of a `texture` u8 [H, W, 4] whose vertices lie at `uv` [V, 2] px, `k` of them to one of the picture."""
    return [_lid_skin(texture, uv, mesh, k, side, glasses) for side in (0, 1)]


def _lid_skin(texture: NDArray[np.uint8], uv: NDArray[np.float32], mesh: Mesh, k: float, side: int,
              glasses: bool) -> LidSkin:
    cm = mesh.fit.scale * k
    upper, lower = (uv[loop] for loop in mesh.template.lids[side])
    brow = uv[list(BROWS[side])]
    x0, y0 = np.maximum(np.minimum(upper.min(0), brow.min(0)) - 0.6 * cm, 0).astype(int)
    x1, y1 = (np.maximum(upper.max(0), lower.max(0)) + 0.6 * cm).astype(int)
    view = texture[y0:y1, x0:x1]
    x, y = x0 + np.arange(view.shape[1]), y0 + np.arange(view.shape[0])[:, None]
    edge, low_edge = (np.interp(x, curve[:, 0], curve[:, 1]) for curve in (upper, lower))
    top = np.clip((edge - np.interp(x, brow[:, 0], brow[:, 1])) / cm - UNDER_BROW, 0, FRAME if glasses else BROW)
    beyond = np.maximum(np.maximum(upper[0, 0] - x, x - upper[-1, 0]), 0) / cm
    colours = view[..., :3].astype(np.float32)
    lid = _unrolled(colours, (edge - y) / cm, top, beyond, cm)
    both = _rim_painted(lid, (y - low_edge) / cm, beyond, cm)
    return LidSkin(side, view, view.copy(), *(_with_colours(view, each) for each in (lid, both)))


def _with_colours(view: NDArray[np.uint8], colours: NDArray[np.float32]) -> NDArray[np.uint8]:
    return np.concatenate([np.rint(colours).clip(0, 255).astype(np.uint8), view[..., 3:]], 2)


def _unrolled(colours: NDArray[np.float32], height: NDArray, top: NDArray, beyond: NDArray, cm: float) -> NDArray[np.float32]:
    """`colours` [h, w, 3] with smooth skin from the lashes up to `top` [w] cm; `height` [h, w] cm over the lid's edge,
    `beyond` [w] cm past its corners, `cm` px each.
    """
    low, across = np.minimum(LASHES, 0.6 * top), 1 - smoothstep(0, SIDE, beyond)
    band = across * smoothstep(0.5 * low, 1.1 * low, height) * (1 - smoothstep(0.55 * top, top + 1e-3, height))
    skin = (height > 0.9 * low) & (height < top) & (across > 0)
    if not skin.any():                                               # brow or rim lie on the lashes
        return colours
    painted, clear = _without_folds(colours, skin, SOFT * cm)
    meets = clear & (band < MEETS)
    if meets.any():
        near = _smoothed(colours, clear, SOFT / 2 * cm)
        painted = painted + cv2.GaussianBlur(spread_colour(near - painted, meets), (0, 0), SOFT / 2 * cm)
    band = np.maximum(band, across * (height > -0.05) * (height < low) * _stray(colours, painted))
    return colours + (painted - colours) * band[..., None]


def _stray(colours: NDArray[np.float32], skin: NDArray[np.float32]) -> NDArray[np.float64]:
    """[h, w] in [0, 1]: what has another hue than skin and is too light for a lash, a rim of iris or white under the lid."""
    lab, own = (cv2.cvtColor(np.clip(c / 255, 0, 1).astype(np.float32), cv2.COLOR_RGB2LAB) for c in (colours, skin))
    unlike = np.hypot(lab[..., 1] - own[..., 1], lab[..., 2] - own[..., 2])
    return cv2.GaussianBlur(smoothstep(*HUE, unlike) * smoothstep(0.35, 0.55, lab[..., 0] / np.maximum(own[..., 0], 1)), (0, 0), 1)


def _rim_painted(colours: NDArray[np.float32], depth: NDArray, beyond: NDArray, cm: float) -> NDArray[np.float32]:
    """`colours` with what is left of the white of the eye under its opening and at its corners as skin; lashes stay."""
    skin = (depth > RIM[1]) & (depth < RIM[1] + 0.25) & (beyond < SIDE)
    if not skin.any():
        return colours
    painted, _ = _without_folds(colours, skin, SOFT * cm)
    band = (1 - smoothstep(*RIM, np.abs(depth))) * (1 - smoothstep(0.2, SIDE, beyond))
    band *= smoothstep(*LASH, (colours.mean(2) + 1) / (painted.mean(2) + 1))
    return colours + (painted - colours) * band[..., None]


def _without_folds(colours: NDArray[np.float32], skin: NDArray[np.bool_],
                   sigma: float) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """`colours` [h, w, 3] smoothed over those pixels of `skin` that are not darker than their surround; and those pixels."""
    clear = skin
    for _ in range(2):
        clear = skin & (colours.mean(2) > _smoothed(colours, clear, sigma).mean(2) - FOLD)
    return _smoothed(colours, clear, sigma), clear


def _smoothed(colours: NDArray[np.float32], known: NDArray[np.bool_], sigma: float) -> NDArray[np.float32]:
    weight = known.astype(np.float32)
    total = cv2.GaussianBlur(weight, (0, 0), sigma)[..., None]
    near = cv2.GaussianBlur(colours * weight[..., None], (0, 0), sigma) / np.maximum(total, 1e-6)
    sure = np.clip(total / 0.05, 0, 1)
    return spread_colour(colours, known) * (1 - sure) + near * sure
