"""Where the eyes really end. Landmarks cut large or drawn eyes short, and a blink would leave a rim of eye open.

Corners are moved out a little; then each lower contour is laid where the colours of the eye turn into those of the skin
under it, a cheapest path over columns as for lips. Upper contours are looked for in the same way and then keep under
the lashes, which move with the lid. An opening that is slightly too large does no harm: what lies in it rests there.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from .canonical import LEFT_LOWER, LEFT_UPPER, OUTER_CORNERS, RIGHT_LOWER, RIGHT_UPPER
from .lipline import cheapest_path

COLUMNS, STEPS = 48, 33
WIDER = (0.09, 0.05)                 # of an eye's width, by which the outer and the inner corner are moved out
INSIDE, OUTSIDE = 0.006, 0.045       # of the distance between the outer eye corners: reach of the search
RIM = 0.006                          # the same unit: wet edge of a lower lid, which a shut upper one covers
SKIN = (0.075, 0.105)                # the same unit: where the skin beside the eye is looked at
LASHES, MOST = 0.022, 0.035          # the same unit: thickness of the upper lashes' line; most an upper lid is raised


def settle_lids(image: NDArray[np.uint8], landmarks: NDArray[np.float32]) -> NDArray[np.float32]:
    """Landmarks [478, 3] with the lids' contours laid on the edges seen in `image` u8 RGB."""
    out = landmarks.copy()
    lab = cv2.GaussianBlur(cv2.cvtColor(image, cv2.COLOR_RGB2LAB).astype(np.float32), (0, 0), 0.6)
    eyes = float(np.linalg.norm(landmarks[OUTER_CORNERS[0]] - landmarks[OUTER_CORNERS[1]]))
    for upper, lower in ((RIGHT_UPPER, RIGHT_LOWER), (LEFT_UPPER, LEFT_LOWER)):
        _widen(out, upper, lower)
        top, bottom = list(upper), list(lower)
        down = _shift(lab, out[bottom, :2], eyes, 1) + RIM * eyes
        up = np.clip(_shift(lab, out[top, :2], eyes, -1) - LASHES * eyes, 0, MOST * eyes)
        out[bottom[1:-1], 1] += down[1:-1]
        out[top[1:-1], 1] -= up[1:-1]
    return out


def _widen(points: NDArray[np.float32], upper: tuple[int, ...], lower: tuple[int, ...]) -> None:
    """Stretch one eye's contours [in place] along the line through its corners."""
    a, b = points[upper[0]].copy(), points[upper[-1]].copy()
    axis = (b - a)[:2]
    before, after = WIDER if upper[0] == RIGHT_UPPER[0] else WIDER[::-1]
    for name in {*upper, *lower}:
        share = float((points[name, :2] - a[:2]) @ axis / (axis @ axis))
        points[name] += (b - a) * (share * after - (1 - share) * before)


def _shift(lab: NDArray[np.float32], curve: NDArray[np.float32], eyes: float, sign: int) -> NDArray[np.float32]:
    """px [n] by which a lid's contour [n, 2] lies too far inside; `sign` is 1 for a lower lid, -1 for an upper one."""
    x = np.linspace(curve[0, 0], curve[-1, 0], COLUMNS, dtype=np.float32)
    base = np.interp(x, curve[:, 0], curve[:, 1]).astype(np.float32)
    steps = np.linspace(-INSIDE, OUTSIDE, STEPS, dtype=np.float32) * eyes
    taper = np.minimum(1, 5 * np.minimum(np.arange(COLUMNS), np.arange(COLUMNS)[::-1]) / (COLUMNS - 1))
    moved = steps[None] * taper[:, None].astype(np.float32)
    beside = np.linspace(*SKIN, 5, dtype=np.float32)[None] * eyes
    skin = _read(lab, x, base[:, None] + sign * beside).mean(1, keepdims=True)
    unlike = np.linalg.norm((_read(lab, x, base[:, None] + sign * moved) - skin) / [14, 7, 7], axis=2)
    strange = np.clip(unlike / 1.5 - 2, -1, 1)                     # 1: eye, -1: skin
    before = np.cumsum(strange, axis=1) - strange
    cost = (strange.sum(1, keepdims=True) - 2 * before) / 6 + 0.35 * (moved / (0.012 * eyes)) ** 2
    line = moved[np.arange(COLUMNS), cheapest_path(cost)]
    line = cv2.GaussianBlur(line[None], (0, 0), 5.0, borderType=cv2.BORDER_REPLICATE)[0]
    return np.interp(curve[:, 0], x, line).astype(np.float32)


def _read(lab: NDArray[np.float32], x: NDArray[np.float32], rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Colours [c, r, 3] at columns `x` [c] and heights `rows` [c, r] px."""
    across = np.repeat(x[:, None], rows.shape[1], 1)
    return cv2.remap(lab, across, rows.astype(np.float32), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
