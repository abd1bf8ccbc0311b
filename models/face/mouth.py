"""The inside of the mouth: cavity, upper teeth on the skull, lower teeth and tongue on the jaw, lit from the front.

Every pixel of the opening is drawn from a few samples, each placed in centimetres of the skull and of the jaw; nothing
is drawn outside the opening, whose edge comes from the lips' curves.
"""

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from limner.engine.types import ARKIT_INDEX

from .aperture import SAMPLES, coverage, gather, mend, trace
from .deform import JAW_AXIS, Posed, Rig
from .fit import Mesh
from .lips import UPPER_SHARE, rounding
from .plate import Smile, lay_in
from .softness import soften
from .teeth import ABOVE, DENSITY, HALF, Palette, row_of_teeth

OVERBITE = 0.12              # cm the upper front teeth cover the lower ones when the jaw is shut
SHOW = 0.30                  # cm of upper teeth below the relaxed upper lip
SEAM = 0.3                   # opacity of the line where the lips of an open portrait meet; a closed one has its own
BEHIND = 0.9                 # cm from the lips back to the front teeth
RIM = 0.13                   # cm of an open portrait's lip edges that show its mouth's shadow
ROUND_SHADE = 0.62           # how much round, protruding lips darken what lies behind them
_TONGUE, _LEFT, _RIGHT = (ARKIT_INDEX[n] for n in ("tongueOut", "jawLeft", "jawRight"))


@dataclass(frozen=True, slots=True)
class Mouth:
    """What lies behind one person's lips, and buffers."""

    rig: Rig
    upper: NDArray[np.float32]               # [h, w, 4] premultiplied
    lower: NDArray[np.float32]
    colours: Palette
    opened: bool                             # the portrait's lips are parted
    bite: float                              # cm, height of the upper teeth's edge
    depth: float                             # cm, z of the front teeth
    curves: tuple[NDArray[np.float32], NDArray[np.float32]]
    columns: NDArray[np.float32]             # [4, c] heights and slopes of both curves
    soft: float                              # px of blur a portrait out of focus asks for

    def draw(self, posed: Posed, weights: NDArray[np.float32], relax: float, out: NDArray[np.uint8]) -> None:
        """Paint the opening into the u8 RGB picture `out` [H, W, 3]; `relax` as for `pose`."""
        template = self.rig.mesh.template
        gather(posed.px, template.inner_upper, self.curves[0])
        gather(posed.px, template.inner_lower, self.curves[1])
        start = int(np.floor(self.curves[0][0, 0]))
        for curve, row in zip(self.curves, (0, 2), strict=True):
            trace(curve, np.float32(start), self.columns[row], self.columns[row + 1])
        opacity = 1.0
        if self.opened:                          # at rest it shows its own mouth; closed, it has no lip line of its own
            opacity = relax
            mend(self.columns, start, np.float32(relax), np.float32(RIM * self.rig.mesh.fit.scale), out)
        y, z = self.bite - JAW_AXIS[0], self.depth - 0.3 - JAW_AXIS[1]
        drop = y * (np.cos(posed.jaw) - 1) - z * np.sin(posed.jaw)
        across = 0.8 * float(weights[_LEFT] - weights[_RIGHT])
        gap = float((self.curves[1][:, 1] - self.curves[0][:, 1]).max()) / self.rig.mesh.fit.scale
        seam = SEAM * self.opened * max(1 - 5 * gap, 0.3)
        _paint(self.columns, start, to_cm(posed.head, self.depth), self.upper, self.lower, self.colours.tongue,
               self.colours.cavity, np.float32(self.bite), np.float32(drop), np.float32(across),
               np.float32(weights[_TONGUE]), np.float32(1 - ROUND_SHADE * rounding(weights) ** 2),
               np.float32(self.rig.mesh.fit.scale), np.float32(opacity), np.float32(seam), out)
        if self.soft:
            soften(out, self.curves, self.soft, opacity)


def build_mouth(rig: Rig, colours: Palette, smile: Smile | None, soft: float = 0.0) -> Mouth:
    """The inside of the mouth for a rig; `smile` holds the person's own teeth where the portrait shows them, `soft` px
    blur what is drawn.
    """
    mesh = rig.mesh
    middle = len(mesh.template.inner_upper) // 2
    lip = mesh.shape[mesh.template.inner_upper[middle]]
    easy = float(lip[1]) - UPPER_SHARE * float(rig.lips.slack[middle - 1])       # the relaxed upper lip
    bite = easy - SHOW if smile is None else min(smile.edge, easy - SHOW)
    depth = float(lip[2]) - BEHIND
    upper = row_of_teeth(colours, upper=True)
    if smile is not None:
        upper = lay_in(upper, smile, bite, to_rest(mesh, depth))
    n = len(mesh.template.inner_upper)
    widest = int(1.6 * mesh.eye_distance * mesh.fit.scale) * SAMPLES
    opened = float(rig.lips.rest.max()) > 1e-3
    return Mouth(rig, upper, row_of_teeth(colours, upper=False), colours, opened, bite, depth,
                 (np.zeros((n, 2), np.float32), np.zeros((n, 2), np.float32)), np.zeros((4, widest), np.float32), soft)


def to_rest(mesh: Mesh, depth: float) -> NDArray[np.float32]:
    """Affine [2, 3] from skull centimetres on the plane z = depth to px of the portrait."""
    forward = mesh.fit.scale * mesh.fit.rotation
    shift = forward[:2, 2] * depth + mesh.fit.shift[:2]
    return (np.concatenate([forward[:2, :2], shift[:, None]], axis=1) * [[1], [-1]]).astype(np.float32)


def to_cm(head: NDArray[np.float32], depth: float) -> NDArray[np.float32]:
    """Affine [2, 3] from picture px (y down) to skull centimetres on the plane z = depth."""
    forward = head[:2, :2] * np.array([[1], [-1]])
    shift = (head[:2, 2] * depth + head[:2, 3]) * np.array([1, -1])
    inverse = np.linalg.inv(forward)
    return np.concatenate([inverse, (-inverse @ shift)[:, None]], axis=1).astype(np.float32)


@njit(cache=True, nogil=True)
def _step(low, high, x):
    t = min(max((x - low) / (high - low), np.float32(0)), np.float32(1))
    return t * t * (3 - 2 * t)


@njit(cache=True, nogil=True)
def _over(texture, u, v, light, colour):
    """Lay a premultiplied texture, sampled at (u, v) px, over `colour` [3]."""
    h, w = texture.shape[0], texture.shape[1]
    iu, iv = int(np.floor(u)), int(np.floor(v))
    if iu < 0 or iu >= w - 1 or iv >= h - 1:
        return
    if iv < 0:
        iv, v = 0, np.float32(0)
    fu, fv = u - iu, v - iv
    a, b, c, d = (1 - fu) * (1 - fv), fu * (1 - fv), (1 - fu) * fv, fu * fv
    opacity = a * texture[iv, iu, 3] + b * texture[iv, iu + 1, 3] + c * texture[iv + 1, iu, 3] \
        + d * texture[iv + 1, iu + 1, 3]
    if opacity <= 0:
        return
    for k in range(3):
        value = a * texture[iv, iu, k] + b * texture[iv, iu + 1, k] + c * texture[iv + 1, iu, k] \
            + d * texture[iv + 1, iu + 1, k]
        # What light is left in a shadow has been thrown about by red flesh.
        colour[k] = colour[k] * (1 - opacity) + value * light * (1 - np.float32(0.16) * k * max(1 - light, np.float32(0)))


@njit(cache=True, nogil=True)
def _inside(x, y, gap, above, under, upper, lower, tongue, cavity, bite, drop, across, out_tongue, bright, colour):
    """Colour of one point at (x, y) cm of the skull; `above` and `under` are cm to the lips, `gap` their distance."""
    side = np.exp(-((abs(x) / np.float32(2.5)) ** 4))
    lit = bright * (np.float32(0.80) + np.float32(0.20) * _step(np.float32(0.1), np.float32(0.7), gap))
    shadow = 1 - np.float32(0.42) * np.exp(-above / np.float32(0.14)) \
        - np.float32(0.12) * np.exp(-under / np.float32(0.08))
    floor = bite + drop                                          # height of the lower front teeth's meeting edge
    deep = _step(bite + np.float32(0.3), floor - np.float32(0.2), y)
    for k in range(3):                                           # throat above, floor of the mouth below
        colour[k] = cavity[k] * (np.float32(0.50) + np.float32(0.60) * deep) \
            * (np.float32(0.30) + np.float32(0.70) * side)
    _tongue(x - across, y, floor, out_tongue, tongue, lit * side, colour)
    lower_light = lit * side * (np.float32(0.80) - np.float32(0.20) * _step(np.float32(0.3), np.float32(1.5), gap))
    _over(lower, (x - across + HALF) * DENSITY - np.float32(0.5),
          (ABOVE + y - floor - np.float32(OVERBITE)) * DENSITY - np.float32(0.5), lower_light * shadow, colour)
    if out_tongue > np.float32(0.08):
        low = floor - np.float32(0.15) - np.float32(0.5) * max(out_tongue - np.float32(0.4), np.float32(0))
        high = min(bite + np.float32(0.12), floor + np.float32(0.25) + np.float32(0.8) * out_tongue)
        _tip(x - across, y, low, high, _step(np.float32(0.08), np.float32(0.2), out_tongue), tongue, lit * side, colour)
    _over(upper, (x + HALF) * DENSITY - np.float32(0.5), (bite - y + ABOVE) * DENSITY - np.float32(0.5),
          lit * shadow * side, colour)
    if out_tongue > np.float32(0.15):                            # between the teeth it hides the upper ones' edge
        _tip(x - across, y, y - under - np.float32(0.3), y - under + np.float32(0.5) * gap,
             _step(np.float32(0.15), np.float32(0.25), out_tongue), tongue, lit * side, colour)


@njit(cache=True, nogil=True)
def _tongue(x, y, floor, lift, tongue, light, colour):
    """The tongue's back, lying behind the lower teeth and rising with `lift`."""
    top = floor + np.float32(0.55) + np.float32(0.7) * lift
    tx = x / np.float32(1.9)
    arch = top - np.float32(0.55) * tx * tx - np.float32(0.06) * np.exp(-((x / np.float32(0.16)) ** 2))
    edge = _step(np.float32(-0.10), np.float32(0.10), arch - y) * _step(np.float32(1.0), np.float32(0.85), abs(tx))
    if edge <= 0:
        return
    down = arch - y
    form = np.float32(0.60) + np.float32(0.30) * _step(np.float32(0.0), np.float32(0.5), down) \
        - np.float32(0.22) * tx * tx - np.float32(0.08) * np.exp(-((x / np.float32(0.14)) ** 2))
    for k in range(3):
        colour[k] += edge * (tongue[k] * form * light - colour[k])


@njit(cache=True, nogil=True)
def _tip(x, y, low, high, share, tongue, light, colour):
    """The tongue's tip between the heights `low` and `high`, laid on with opacity `share`."""
    centre, reach = (high + low) / 2, max((high - low) / 2, np.float32(0.12))
    tx, ty = x / np.float32(1.35), (y - centre) / reach
    r = tx * tx + ty * ty * ty * ty
    tip = _step(np.float32(1.1), np.float32(0.75), r) * share
    form = np.float32(0.70) + np.float32(0.16) * np.exp(-((ty - np.float32(0.1)) / np.float32(0.5)) ** 2) \
        - np.float32(0.20) * tx * tx
    for k in range(3):
        colour[k] += tip * (tongue[k] * form * light - colour[k])


@njit(cache=True, nogil=True)
def _paint(columns, start, to_cm, upper, lower, tongue, cavity, bite, drop, across, out_tongue, bright, scale, opacity,
           seam, out):
    height, width = out.shape[0], out.shape[1]
    colour, total = np.empty(3, np.float32), np.empty(3, np.float32)
    edge = 1 + int(seam * scale * np.float32(0.12))
    for i in range(columns.shape[1] // SAMPLES):
        x = start + i
        if x < 0 or x >= width:
            continue
        top, bottom = np.float32(1e9), np.float32(-1e9)
        for s in range(SAMPLES):
            c = i * SAMPLES + s
            if columns[2, c] >= columns[0, c] - np.float32(0.5):
                top, bottom = min(top, columns[0, c]), max(bottom, columns[2, c])
        for y in range(max(int(top) - edge, 0), min(int(bottom) + 2 + edge, height)):
            share = np.float32(0)
            total[:] = 0
            for s in range(SAMPLES * SAMPLES):
                c = i * SAMPLES + s // SAMPLES
                yt, yb = columns[0, c], columns[2, c]
                if not yb >= yt - np.float32(0.5):
                    continue
                sy = y + (s % SAMPLES + np.float32(0.5)) / SAMPLES - np.float32(0.5)
                a = coverage(sy, yt, yb, columns[1, c], columns[3, c], np.float32(1))
                thin = min(np.float32(1), (yb - yt) * np.float32(0.8))
                line = seam * opacity * (1 - thin) * np.exp(-((sy - (yt + yb) / 2) / (np.float32(0.045) * scale)) ** 2)
                a *= thin * opacity
                if a <= 0 and line <= np.float32(0.004):
                    continue
                share += line
                for k in range(3):
                    total[k] += line * cavity[k] * np.float32(1.6)
                if a <= 0:
                    continue
                sx = x + (s // SAMPLES + np.float32(0.5)) / SAMPLES - np.float32(0.5)
                cx = to_cm[0, 0] * sx + to_cm[0, 1] * sy + to_cm[0, 2]
                cy = to_cm[1, 0] * sx + to_cm[1, 1] * sy + to_cm[1, 2]
                _inside(cx, cy, (yb - yt) / scale, max(sy - yt, np.float32(0)) / scale,
                        max(yb - sy, np.float32(0)) / scale, upper, lower, tongue, cavity, bite, drop, across,
                        out_tongue, bright, colour)
                share += a
                for k in range(3):
                    total[k] += a * colour[k]
            if share > 0:
                inv = np.float32(1) / (SAMPLES * SAMPLES)
                for k in range(3):
                    out[y, x, k] = np.uint8(out[y, x, k] * (1 - share * inv) + total[k] * inv + np.float32(0.5))
