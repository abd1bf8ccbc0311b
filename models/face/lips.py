"""How lips meet. The gap between paired points of the inner contours is commanded, never left to a sum of shapes.

Shapes and jaw move the lips; then the gap of every pair is measured, reduced by `mouthClose` and by what an open
portrait relaxes, held at or above zero, and the correction is shared between the lips and spread into the skin. Lips
that meet do so on one curve, so no sliver of mouth is left and no lip crosses the other, whatever the expression.
"""

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from limner.engine.types import ARKIT_INDEX

from .basis import basis
from .fit import Mesh
from .regions import LIP_LINE, Regions, smoothstep

UPPER_SHARE = 0.32           # of a closing correction, the rest is the lower lip's
ROUND_FROM, ROUND_AT = 0.25, 1.1      # cm of gap over which an opening becomes an ellipse
WEB = 0.10                   # share of the half width that stays shut at each corner then
PURSED = 0.42                # share of the half width that round lips hold shut at each corner
LEVEL = 0.8                  # share of the sag of their middle line that round lips lose
MEETING = 0.18               # cm; below this gap the two contours slide onto one curve
EVEN = 0.25                  # cm that the line of shut lips is evened by at most
RELAXED_WIDTH = 0.58         # mouth width over eye distance that a smiling portrait relaxes to
_PUCKER, _FUNNEL = ARKIT_INDEX["mouthPucker"], ARKIT_INDEX["mouthFunnel"]


@dataclass(frozen=True, slots=True)
class LipRig:
    """Pairs of inner contour vertices from the right corner to the left, and how far their motion spreads."""

    upper: NDArray[np.int32]                 # [n] vertex ids, corners excluded
    lower: NDArray[np.int32]                 # [n]
    rest: NDArray[np.float32]                # [n] cm, the portrait's own gap
    slack: NDArray[np.float32]               # [n] cm, the gap that relaxing takes away
    lift: NDArray[np.float32]                # [n] cm, part of the gap that comes with the jaw but is not its rotation
    near: NDArray[np.int32]                  # [m] vertices that a correction moves
    slot: NDArray[np.float32]                # [m] position along the pairs, 0 .. n - 1
    place: NDArray[np.float32]               # [n] position between the corners, -1 .. 1
    pull: NDArray[np.float32]                # [m] share of the correction: positive up, negative down
    ease: NDArray[np.float32]                # [V, 3] cm from a smiling to an easy mouth
    smile: float                             # mouthSmile weight that the portrait wears

    def gap(self, cm: NDArray[np.float32]) -> float:
        """cm between the lips in the middle of the mouth."""
        middle = len(self.upper) // 2
        return float(cm[self.upper[middle], 1] - cm[self.lower[middle], 1])

    def gaps(self, cm: NDArray[np.float32]) -> NDArray[np.float32]:
        """cm [n] between the paired points."""
        return cm[self.upper, 1] - cm[self.lower, 1]

    def apply(self, shut: NDArray[np.float32], close: float, stretch: float, relax: float, pursed: float,
              cm: NDArray[np.float32]) -> None:
        """Correct `cm` [V, 3] in place. `close` is the share of the jaw's opening that the lips take back, `shut` the
        gaps [n] before the jaw opened, `stretch` how much further than the jaw the lips part, `pursed` in [0, 1] how
        round they are.
        """
        _meet(self.upper, self.lower, self.rest, self.near, self.slot, self.place, self.pull, self.slack, shut,
              stretch * (1 - close), relax, np.float32(pursed), cm)


def rounding(weights: NDArray[np.float32]) -> float:
    """How round the lips of `weights` [52] are, 0..1."""
    return min(1.0, 0.75 * float(weights[_PUCKER]) + 0.45 * float(weights[_FUNNEL]))


def lip_rig(mesh: Mesh, field: Regions) -> LipRig:
    """The lips of one person; `field` holds the regions of the template's vertices."""
    template, shape = mesh.template, mesh.shape
    upper, lower = template.inner_upper[1:-1], template.inner_lower[1:-1]
    rest = shape[upper, 1] - shape[lower, 1]
    x = template.vertices[:, 0]
    place = np.interp(x, (x[upper] + x[lower]) / 2, np.arange(len(upper)))
    across = (x[upper] + x[lower]) / 2 / x[template.inner_upper[-1]]
    up, down = _spread(field)
    up[upper], down[upper], up[lower], down[lower] = 1, 0, 0, 1
    pull = (UPPER_SHARE * up - (1 - UPPER_SHARE) * down).astype(np.float32)[mesh.anchor] * mesh.follow
    near = np.flatnonzero(np.abs(pull) > 1e-4).astype(np.int32)
    width = float(np.linalg.norm(shape[template.outer_upper[0]] - shape[template.outer_upper[-1]]))
    shapes = basis(template.vertices)
    both = shapes[ARKIT_INDEX["mouthSmileLeft"]] + shapes[ARKIT_INDEX["mouthSmileRight"]]
    widening = float(both[template.outer_upper[-1], 0] - both[template.outer_upper[0], 0])
    smile = float(np.clip((width - RELAXED_WIDTH * mesh.eye_distance) / widening, 0, 1.3))
    ease = ((-smile * both)[mesh.anchor] * mesh.follow[:, None]).astype(np.float32)
    if rest.max() > 1e-3:
        line = shape[upper, 1] + ease[upper, 1] - UPPER_SHARE * (rest + ease[upper, 1] - ease[lower, 1])
        even = np.interp(place, np.arange(len(upper)), _evened(across, line) - line)
        ease[:, 1] += (((up + down) * even)[mesh.anchor] * mesh.follow).astype(np.float32)
    slack = rest + ease[upper, 1] - ease[lower, 1]
    jaw = shapes[ARKIT_INDEX["jawOpen"]]
    return LipRig(upper, lower, rest.astype(np.float32), slack.astype(np.float32), jaw[upper, 1] - jaw[lower, 1], near,
                  place[mesh.anchor][near].astype(np.float32), across.astype(np.float32), pull[near], ease, smile)


def _evened(across: NDArray[np.floating], line: NDArray[np.floating]) -> NDArray[np.float64]:
    """The line [n] on which an open portrait's lips meet as a parabola: what landmarks say of a dark mouth corner is
    rarely even, and shows once the mouth is shut.
    """
    bent = np.polyval(np.polyfit(across, line, 2), across)
    return line + np.clip(bent - line, -EVEN, EVEN) * (1 - across**4)


def _spread(r: Regions) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Weights of the upper and lower lip's share at every vertex: whole on the lips, gone at nose and chin."""
    side = np.exp(-((np.abs(r.x) / 2.9) ** 6))
    up = (r.y > LIP_LINE) * side * smoothstep(-1.9, -3.5, r.y)
    down = (r.y <= LIP_LINE) * side * smoothstep(-8.0, -5.2, r.y)
    soft = smoothstep(1.9, 2.9, np.abs(r.x))                 # beyond the corners both fade into the cheek together
    return up * (1 - soft), down * (1 - soft)


@njit(cache=True, nogil=True)
def _meet(upper, lower, rest, near, slot, place, pull, slack, shut, share, relax, pursed, cm):
    n = upper.shape[0]
    wanted = np.empty(n, np.float32)
    change = np.empty(n, np.float32)
    widest = np.float32(0)
    for i in range(n):
        gap = cm[upper[i], 1] - cm[lower[i], 1]
        # A portrait's own contours may cross by a hair at the corners; at rest they keep that.
        least = min(rest[i], np.float32(0)) * (1 - relax)
        wanted[i] = max(gap - relax * slack[i] - (1 - share) * max(gap - shut[i], np.float32(0)), least)
        widest = max(widest, wanted[i])
    # Wide open, lips part as an ellipse whose ends keep clear of the corners, where both lips are one skin; so do round
    # lips, which hold their sides shut.
    t = min(max((widest - np.float32(ROUND_FROM)) / np.float32(ROUND_AT - ROUND_FROM), np.float32(0)), np.float32(1))
    rounded = relax * max(t * t * (3 - 2 * t), pursed)
    web = max(np.float32(WEB) * t, np.float32(PURSED) * pursed)
    for i in range(n):
        reach = place[i] / (1 - web)
        ellipse = widest * np.sqrt(max(1 - reach * reach, np.float32(0)))
        wanted[i] += rounded * (ellipse - wanted[i])
        change[i] = wanted[i] - (cm[upper[i], 1] - cm[lower[i], 1])
    # Round lips come in from above and below alike.
    alike = pursed * relax * np.float32(0.5 - UPPER_SHARE)
    above, below = 1 + alike / np.float32(UPPER_SHARE), 1 - alike / np.float32(1 - UPPER_SHARE)
    lift = _levelled(upper, lower, change, np.float32(UPPER_SHARE) * above - np.float32(1 - UPPER_SHARE) * below, cm)
    for k in range(near.shape[0]):
        i = min(int(slot[k]), n - 2)
        f = slot[k] - i
        cm[near[k], 1] += pull[k] * (above if pull[k] > 0 else below) * (change[i] * (1 - f) + change[i + 1] * f)
        whole = pull[k] / np.float32(UPPER_SHARE) if pull[k] > 0 else -pull[k] / np.float32(1 - UPPER_SHARE)
        cm[near[k], 1] += np.float32(LEVEL) * pursed * relax * whole * (lift[i] * (1 - f) + lift[i + 1] * f)
    for i in range(n):
        u, d = upper[i], lower[i]
        together = max(np.float32(0), 1 - wanted[i] / np.float32(MEETING)) * max(relax, 1 - share)
        for axis in range(3):
            middle = (cm[u, axis] + cm[d, axis]) / 2
            if axis == 1:
                cm[u, 1], cm[d, 1] = middle + wanted[i] / 2, middle - wanted[i] / 2
            else:
                cm[u, axis] += together * (middle - cm[u, axis])
                cm[d, axis] += together * (middle - cm[d, axis])
    _unfold(upper, lower, near, slot, pull, relax, cm)


@njit(cache=True, nogil=True)
def _levelled(upper, lower, change, uneven, cm):
    """How far [n] the line midway between the lips must rise to run straight: a sagging one turns a round opening into
    a wedge, flat above and pointed below.
    """
    n = upper.shape[0]
    middle = np.empty(n, np.float32)
    for i in range(n):
        middle[i] = (cm[upper[i], 1] + cm[lower[i], 1] + uneven * change[i]) / 2
    first, last = middle[0], middle[n - 1]
    across = max(cm[upper[n - 1], 0] - cm[upper[0], 0], np.float32(1e-3))
    for i in range(n):
        t = (cm[upper[i], 0] - cm[upper[0], 0]) / across
        middle[i] = first + (last - first) * t - middle[i]
    return middle


@njit(cache=True, nogil=True)
def _unfold(upper, lower, near, slot, pull, relax, cm):
    """Thin lips that are pressed or pulled together would fold over their own rim; their skin stops there."""
    last = upper.shape[0] - 1
    for k in range(near.shape[0]):
        v = near[k]
        rim = upper if pull[k] > 0 else lower
        x = cm[v, 0]
        if x < cm[rim[0], 0] or x > cm[rim[last], 0]:
            continue
        i = min(int(slot[k]), last - 1)
        while i > 0 and cm[rim[i], 0] > x:
            i -= 1
        while i < last - 1 and cm[rim[i + 1], 0] < x:
            i += 1
        a, b = rim[i], rim[i + 1]
        f = min(max((x - cm[a, 0]) / max(cm[b, 0] - cm[a, 0], np.float32(1e-4)), np.float32(0)), np.float32(1))
        over = cm[a, 1] * (1 - f) + cm[b, 1] * f - cm[v, 1]
        if (over > 0) == (pull[k] > 0):
            cm[v, 1] += relax * over
