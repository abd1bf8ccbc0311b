"""The inside of the mouth: cavity, upper teeth on the skull, lower teeth and tongue on the jaw, lit from the front.

Every pixel of the opening is drawn from a few samples, each placed in centimetres of the skull and of the jaw; nothing
is drawn outside the opening, whose edge comes from the lips' curves.
"""

from dataclasses import dataclass

import numpy as np
from limner.engine.types import ARKIT_INDEX
from numba import njit
from numpy.typing import NDArray

from .aperture import SAMPLES, coverage, gather, trace
from .deform import JAW_AXIS, Posed, Rig
from .teeth import ABOVE, DENSITY, HALF, Palette, row_of_teeth

OVERBITE = 0.22              # cm the upper front teeth cover the lower ones when the jaw is shut
SHOW = 0.12                  # cm of upper teeth below the resting upper lip
BEHIND = 0.9                 # cm from the lips back to the front teeth
_TONGUE, _LEFT, _RIGHT = ARKIT_INDEX["tongueOut"], ARKIT_INDEX["jawLeft"], ARKIT_INDEX["jawRight"]


@dataclass(frozen=True, slots=True)
class Mouth:
    """What lies behind one person's lips, and buffers."""

    rig: Rig
    upper: NDArray[np.float32]               # [h, w, 4] premultiplied
    lower: NDArray[np.float32]
    colours: Palette
    bite: float                              # cm, height of the upper teeth's edge
    depth: float                             # cm, z of the front teeth
    curves: tuple[NDArray[np.float32], NDArray[np.float32]]
    columns: NDArray[np.float32]             # [4, c] heights and slopes of both curves

    def draw(self, posed: Posed, weights: NDArray[np.float32], opacity: float, out: NDArray[np.uint8]) -> None:
        """Paint the opening into the u8 RGB picture `out` [H, W, 3], over what it shows by `opacity`."""
        template = self.rig.mesh.template
        gather(posed.px, template.inner_upper, self.curves[0])
        gather(posed.px, template.inner_lower, self.curves[1])
        start = int(np.floor(self.curves[0][0, 0]))
        for curve, row in zip(self.curves, (0, 2), strict=True):
            trace(curve, np.float32(start), self.columns[row], self.columns[row + 1])
        y, z = self.bite - JAW_AXIS[0], self.depth - 0.3 - JAW_AXIS[1]
        drop = y * (np.cos(posed.jaw) - 1) - z * np.sin(posed.jaw)
        across = 0.8 * float(weights[_LEFT] - weights[_RIGHT])
        _paint(self.columns, start, _to_cm(posed.head, self.depth), self.upper, self.lower, self.colours.tongue,
               self.colours.cavity, np.float32(self.bite), np.float32(drop), np.float32(across),
               np.float32(weights[_TONGUE]), np.float32(self.rig.mesh.fit.scale),
               np.float32(opacity), out)


def build_mouth(rig: Rig, colours: Palette) -> Mouth:
    """The inside of the mouth for a rig."""
    mesh = rig.mesh
    middle = mesh.template.inner_upper[len(mesh.template.inner_upper) // 2]
    lip = mesh.shape[middle]
    raised = 0.35 * float(rig.lips.rest.max())
    n = len(mesh.template.inner_upper)
    widest = int(2.2 * mesh.eye_distance * mesh.fit.scale) * SAMPLES
    return Mouth(rig, row_of_teeth(colours, upper=True), row_of_teeth(colours, upper=False), colours,
                 float(lip[1]) - SHOW - raised, float(lip[2]) - BEHIND,
                 (np.zeros((n, 2), np.float32), np.zeros((n, 2), np.float32)), np.zeros((4, widest), np.float32))


def _to_cm(head: NDArray[np.float32], depth: float) -> NDArray[np.float32]:
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
        colour[k] = colour[k] * (1 - opacity) + value * light


@njit(cache=True, nogil=True)
def _inside(x, y, gap, above, under, upper, lower, tongue, cavity, bite, drop, across, out_tongue, colour):
    """Colour of one point at (x, y) cm of the skull; `above` and `under` are cm to the lips, `gap` their distance."""
    side = np.exp(-((abs(x) / np.float32(2.3)) ** 4))
    lit = np.float32(0.62) + np.float32(0.38) * _step(np.float32(0.1), np.float32(0.9), gap)
    shadow = 1 - np.float32(0.50) * np.exp(-above / np.float32(0.16)) - np.float32(0.15) * np.exp(-under / np.float32(0.10))
    for k in range(3):
        colour[k] = cavity[k] * (np.float32(0.35) + np.float32(0.65) * side)
    floor = bite + drop
    rise = np.float32(0.25) + np.float32(0.55) * out_tongue
    tx, ty = (x - across) / np.float32(1.75), (y - (floor - np.float32(0.75))) / (np.float32(0.75) + rise)
    r = tx * tx + ty * ty
    if r < 1:
        edge = _step(np.float32(1.0), np.float32(0.80), r)
        form = np.float32(0.30) + np.float32(0.42) * _step(np.float32(-0.2), np.float32(0.95), 1 - r) \
            - np.float32(0.10) * np.exp(-((x - across) / np.float32(0.12)) ** 2)
        for k in range(3):
            colour[k] += edge * (tongue[k] * form * lit * side - colour[k])
    lower_light = lit * side * (np.float32(0.74) - np.float32(0.22) * _step(np.float32(0.2), np.float32(1.4), gap))
    _over(lower, (x - across + HALF) * DENSITY - np.float32(0.5),
          (ABOVE + y - floor - np.float32(OVERBITE)) * DENSITY - np.float32(0.5), lower_light * shadow, colour)
    if out_tongue > 0:
        tip_y = floor + np.float32(0.1) + np.float32(0.25) * out_tongue
        sx, sy = (x - across) / np.float32(1.25), (y - tip_y) / np.float32(0.42)
        q = sx * sx + sy * sy
        tip = _step(np.float32(1.0), np.float32(0.7), q) * min(np.float32(1), 3 * out_tongue)
        for k in range(3):
            colour[k] += tip * (tongue[k] * (np.float32(0.62) + np.float32(0.25) * (1 - q)) * lit * side - colour[k])
    _over(upper, (x + HALF) * DENSITY - np.float32(0.5), (bite - y + ABOVE) * DENSITY - np.float32(0.5),
          lit * shadow * side, colour)


@njit(cache=True, nogil=True)
def _paint(columns, start, to_cm, upper, lower, tongue, cavity, bite, drop, across, out_tongue, scale, opacity, out):
    height, width = out.shape[0], out.shape[1]
    colour, total = np.empty(3, np.float32), np.empty(3, np.float32)
    for i in range(columns.shape[1] // SAMPLES):
        x = start + i
        if x < 0 or x >= width:
            continue
        top, bottom = np.float32(1e9), np.float32(-1e9)
        for s in range(SAMPLES):
            c = i * SAMPLES + s
            if columns[2, c] > columns[0, c]:
                top, bottom = min(top, columns[0, c]), max(bottom, columns[2, c])
        for y in range(max(int(top) - 1, 0), min(int(bottom) + 3, height)):
            share = np.float32(0)
            total[:] = 0
            for s in range(SAMPLES * SAMPLES):
                c = i * SAMPLES + s // SAMPLES
                yt, yb = columns[0, c], columns[2, c]
                if not yb > yt:
                    continue
                sy = y + (s % SAMPLES + np.float32(0.5)) / SAMPLES - np.float32(0.5)
                a = coverage(sy, yt, yb, columns[1, c], columns[3, c], np.float32(1))
                a *= min(np.float32(1), (yb - yt) * np.float32(0.8)) * opacity
                if a <= 0:
                    continue
                sx = x + (s // SAMPLES + np.float32(0.5)) / SAMPLES - np.float32(0.5)
                cx = to_cm[0, 0] * sx + to_cm[0, 1] * sy + to_cm[0, 2]
                cy = to_cm[1, 0] * sx + to_cm[1, 1] * sy + to_cm[1, 2]
                _inside(cx, cy, (yb - yt) / scale, max(sy - yt, np.float32(0)) / scale,
                        max(yb - sy, np.float32(0)) / scale, upper, lower, tongue, cavity, bite, drop, across,
                        out_tongue, colour)
                share += a
                for k in range(3):
                    total[k] += a * colour[k]
            if share > 0:
                inv = np.float32(1) / (SAMPLES * SAMPLES)
                for k in range(3):
                    out[y, x, k] = np.uint8(out[y, x, k] * (1 - share * inv) + total[k] * inv + np.float32(0.5))
