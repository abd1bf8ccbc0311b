"""Eyeballs under the lids: a sclera with the iris painted away, and the iris, whole, as a disc that the gaze moves."""

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from limner.engine.types import ARKIT_INDEX

from .aperture import SAMPLES, coverage, gather, join, trace
from .deform import Posed, Rig
from .eyeball import Parts, find_iris, take_apart
from .mouth import to_cm, to_rest
from .softness import soften

LID_BAND = 0.22              # cm below the upper lid that move with it: its shadow and the roots of the lashes
STILL = 0.06                 # cm of gaze after which nothing is left of what only a steady eye shows
SWING = (0.52, 0.38)         # cm the iris travels at a look weight of 1 (about 26 and 19 degrees on a 12 mm eyeball)
_NAMES = ("eyeLookIn", "eyeLookOut", "eyeLookUp", "eyeLookDown", "eyeBlink")
_INDEX = np.array([[ARKIT_INDEX[n + side] for n in _NAMES] for side in ("Right", "Left")])


@dataclass(frozen=True, slots=True)
class Eye:
    """One eyeball (`side` 0: the person's right) and buffers. `corner` is the upper left px of its parts."""

    rig: Rig
    side: int
    corner: tuple[int, int]
    parts: Parts
    depth: float                             # cm
    to_rest: NDArray[np.float32]             # [2, 3] skull cm on the eye's plane -> portrait px
    curves: tuple[NDArray[np.float32], NDArray[np.float32]]
    columns: NDArray[np.float32]
    roof: NDArray[np.float32]                # [w] px, height of the resting upper lid over the patch's columns
    soft: float                              # px of blur a portrait out of focus asks for

    def draw(self, posed: Posed, weights: NDArray[np.float32], out: NDArray[np.uint8]) -> None:
        """Paint the eye's opening into the u8 RGB picture `out`."""
        loops = self.rig.mesh.template.lids[self.side]
        for curve, loop in zip(self.curves, loops, strict=True):
            gather(posed.px, loop, curve)
        start = int(np.floor(self.curves[0][0, 0]))
        for curve, row in zip(self.curves, (0, 2), strict=True):
            trace(curve, np.float32(start), self.columns[row], self.columns[row + 1])
        inward, outward, up, down, blink = weights[_INDEX[self.side]]
        scale = self.rig.mesh.fit.scale
        across = (float(inward - outward) if self.side == 0 else float(outward - inward)) * SWING[0] * scale
        upward = float(up - down) * SWING[1] * scale
        back = _compose(self.to_rest, to_cm(posed.head, self.depth))
        back[:, 2] -= self.corner
        parts = self.parts
        still = max(0.0, 1 - (abs(across) + abs(upward)) / (STILL * scale))
        _paint_eye(self.columns, start, back, parts.sclera, parts.iris, parts.shade, parts.rest, np.float32(still),
                   np.float32(across), np.float32(-upward), np.float32(min(1.0, blink + 0.5 * down)), np.float32(scale),
                   self.roof, out)
        moved = min(1.0, 4 * float(blink))
        join(self.columns, start, np.float32(moved), out)
        if self.soft and (share := max(moved, 1 - still)) > 0:       # a steady open eye is the portrait's own
            soften(out, self.curves, self.soft, share)


def build_eyes(rig: Rig, image: NDArray[np.uint8], landmarks: NDArray[np.float32], soft: float = 0.0) -> list[Eye]:
    """Take both eyeballs, the right one first, from the portrait `image` u8 RGB and its landmarks [478, 3] px; `soft` px
    blur what moves.
    """
    rims = [landmarks[468 + 5 * side:473 + 5 * side, :2] for side in (0, 1)]
    radii = [float(np.linalg.norm(rim[1:] - rim[0], axis=1).mean()) for rim in rims]
    eyes = [(image, rims[side][0], radii[side], _outline(rig, side)) for side in (0, 1)]
    widest = max(find_iris(*eye)[1] for eye in eyes)            # both are alike; a pupil may be mistaken for one
    irises = [find_iris(*eye, widest) for eye in eyes]
    return [_build_eye(rig, image, *iris, side, soft) for side, iris in enumerate(irises)]


def _outline(rig: Rig, side: int) -> NDArray[np.float32]:
    """The opening at rest, px [n, 2], along the curves it is drawn with: the upper to the right, the lower back."""
    upper, lower = (_drawn(rig, loop) for loop in rig.mesh.template.lids[side])
    return np.concatenate([upper, lower[::-1]])


def _drawn(rig: Rig, loop: NDArray[np.int32]) -> NDArray[np.float32]:
    """A lid's curve at rest, px [n, 2], at the columns it is sampled at."""
    points = np.zeros((len(loop), 2), np.float32)
    gather(rig.mesh.rest, loop, points)
    start = np.floor(points[0, 0])
    heights, slopes = np.zeros((2, (int(np.ptp(points[:, 0])) + 2) * SAMPLES), np.float32)
    trace(points, start, heights, slopes)
    x = start + (np.arange(len(heights), dtype=np.float32) + 0.5) / SAMPLES - 0.5
    inside = ~np.isnan(heights)
    return np.stack([x, heights], 1)[inside]


def _roof(curve: NDArray[np.float32], width: int) -> NDArray[np.float32]:
    """The highest point of an upper lid's curve [n, 2] px in each column [width], as a drawing eye finds it."""
    x, column = np.arange(width), np.rint(curve[:, 0]).astype(int)
    roof = np.interp(x, *curve.T)
    inside = (column >= 0) & (column < width)
    np.minimum.at(roof, column[inside], curve[inside, 1])
    return roof.astype(np.float32)


def _build_eye(rig: Rig, image: NDArray[np.uint8], centre: NDArray[np.float32], radius: float, side: int,
               soft: float) -> Eye:
    mesh = rig.mesh
    loops = mesh.template.lids[side]
    points = mesh.rest[np.concatenate(loops)]
    low = np.maximum(np.floor(points.min(0) - 2 * radius), 0).astype(int)
    high = np.minimum(np.ceil(points.max(0) + 2 * radius), np.array(image.shape[1::-1])).astype(int)
    patch = image[low[1]:high[1], low[0]:high[0]].astype(np.float32)
    outline = _outline(rig, side) - low
    parts = take_apart(patch, outline, centre - low, radius)
    depth = float(mesh.shape[np.concatenate(loops), 2].mean())
    n = len(loops[0])
    roof = _roof(_drawn(rig, loops[0]) - low, patch.shape[1])
    columns = np.zeros((4, int(1.2 * np.ptp(points[:, 0]) + 16) * SAMPLES), np.float32)
    return Eye(rig, side, (int(low[0]), int(low[1])), parts, depth, to_rest(mesh, depth),
               (np.zeros((n, 2), np.float32), np.zeros((n, 2), np.float32)),
               columns, roof, soft)


def _compose(outer: NDArray[np.float32], inner: NDArray[np.float32]) -> NDArray[np.float32]:
    """The affine [2, 3] that applies `inner`, then `outer`."""
    out = outer[:, :2] @ inner
    out[:, 2] += outer[:, 2]
    return out.astype(np.float32)


@njit(cache=True, nogil=True)
def _read(patch, u, v, k):
    h, w = patch.shape[0], patch.shape[1]
    u, v = min(max(u, np.float32(0)), np.float32(w - 1.001)), min(max(v, np.float32(0)), np.float32(h - 1.001))
    iu, iv = int(u), int(v)
    fu, fv = u - iu, v - iv
    return (patch[iv, iu, k] * (1 - fu) + patch[iv, iu + 1, k] * fu) * (1 - fv) \
        + (patch[iv + 1, iu, k] * (1 - fu) + patch[iv + 1, iu + 1, k] * fu) * fv


@njit(cache=True, nogil=True)
def _paint_eye(columns, start, back, sclera, iris, shade, rest, still, across, upward, shut, scale, roof, out):
    height, width = out.shape[0], out.shape[1]
    total = np.empty(3, np.float32)
    inv = np.float32(1) / (SAMPLES * SAMPLES)
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
            u = back[0, 0] * x + back[0, 1] * y + back[0, 2]
            v = back[1, 0] * x + back[1, 1] * y + back[1, 2]
            vt = back[1, 0] * x + back[1, 1] * top + back[1, 2]
            raised = roof[min(max(int(u), 0), roof.shape[0] - 1)] - vt
            near = max(np.float32(0), 1 - (v - vt) / (np.float32(LID_BAND) * scale))
            shift = raised * near * near
            a_iris = _read(iris, u - across, v - upward, 3)
            depth = np.float32(0)
            for s in range(SAMPLES * SAMPLES):
                c = i * SAMPLES + s // SAMPLES
                yt, yb = columns[0, c], columns[2, c]
                if not yb > yt:
                    continue
                sy = y + (s % SAMPLES + np.float32(0.5)) / SAMPLES - np.float32(0.5)
                a = coverage(sy, yt, yb, columns[1, c], columns[3, c], np.float32(1))
                share += a * min(np.float32(1), (yb - yt) * np.float32(0.6)) * inv
                depth += max(sy - yt, np.float32(0)) * inv
            if share <= 0:
                continue
            shadow = 1 - np.float32(0.45) * shut * np.exp(-depth / (np.float32(0.16) * scale))
            for k in range(3):
                value = _read(sclera, u, v, k) * (1 - a_iris) + _read(iris, u - across, v - upward, k)
                value = (_read(shade, u, v + shift, k) * (value + 2) - 2 + still * _read(rest, u, v, k)) * shadow
                value = min(max(value, np.float32(0)), np.float32(255))
                out[y, x, k] = np.uint8(out[y, x, k] * (1 - share) + value * share + np.float32(0.5))
