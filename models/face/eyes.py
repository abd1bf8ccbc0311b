"""Eyeballs under the lids: a sclera with the iris painted away, and the iris, whole, as a disc that the gaze moves."""

from dataclasses import dataclass

import cv2
import numpy as np
from numba import njit
from numpy.typing import NDArray

from limner.engine.types import ARKIT_INDEX

from .aperture import SAMPLES, coverage, gather, join, trace
from .deform import Posed, Rig
from .layers import spread_colour
from .mouth import to_cm, to_rest

LIMBUS = 1.26                # iris radii at which the white of the eye is clean
RIMS = (0.8, 1.9)            # radii at which an iris's rim is looked for, over the one that the landmarks say
USUAL, LEAST_STEP = 1.1, 14.0        # what it usually is; grey levels per px, both sides together, of a clear rim
LID_BAND = 0.22              # cm below the upper lid that move with it: its shadow and the roots of the lashes
SWING = (0.52, 0.38)         # cm the iris travels at a look weight of 1 (about 26 and 19 degrees on a 12 mm eyeball)
_NAMES = ("eyeLookIn", "eyeLookOut", "eyeLookUp", "eyeLookDown", "eyeBlink")
_INDEX = np.array([[ARKIT_INDEX[n + side] for n in _NAMES] for side in ("Right", "Left")])


@dataclass(frozen=True, slots=True)
class Eye:
    """One eyeball (`side` 0: the person's right) and buffers. Patches are f32, with `corner` their upper left px."""

    rig: Rig
    side: int
    corner: tuple[int, int]
    sclera: NDArray[np.float32]              # [h, w, 3]
    iris: NDArray[np.float32]                # [h, w, 4], colour premultiplied by opacity
    shade: NDArray[np.float32]               # [h, w, 3] factor, moves with the upper lid
    depth: float                             # cm
    to_rest: NDArray[np.float32]             # [2, 3] skull cm on the eye's plane -> portrait px
    curves: tuple[NDArray[np.float32], NDArray[np.float32]]
    columns: NDArray[np.float32]
    roof: NDArray[np.float32]                # [w] px, height of the resting upper lid over the patch's columns

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
        _paint_eye(self.columns, start, back, self.sclera, self.iris, self.shade,
                   np.float32(across), np.float32(-upward), np.float32(min(1.0, blink + 0.5 * down)), np.float32(scale),
                   self.roof, out)
        join(self.columns, start, np.float32(min(1.0, 4 * blink)), out)


def build_eyes(rig: Rig, image: NDArray[np.uint8], landmarks: NDArray[np.float32]) -> list[Eye]:
    """Take both eyeballs, the right one first, from the portrait `image` u8 RGB and its landmarks [478, 3] px."""
    rims = [landmarks[468 + 5 * side:473 + 5 * side, :2] for side in (0, 1)]
    radii = [float(np.linalg.norm(rim[1:] - rim[0], axis=1).mean()) for rim in rims]
    eyes = [(image, rims[side][0], radii[side], _outline(rig, side)) for side in (0, 1)]
    widest = max(_find_iris(*eye)[1] for eye in eyes)            # both are alike; a pupil may be mistaken for one
    irises = [_find_iris(*eye, widest) for eye in eyes]
    return [_build_eye(rig, image, *iris, side) for side, iris in enumerate(irises)]


def _outline(rig: Rig, side: int) -> NDArray[np.float32]:
    upper, lower = rig.mesh.template.lids[side]
    return np.concatenate([rig.mesh.rest[upper], rig.mesh.rest[lower][::-1]])


def _build_eye(rig: Rig, image: NDArray[np.uint8], centre: NDArray[np.float32], radius: float, side: int) -> Eye:
    mesh = rig.mesh
    loops = mesh.template.lids[side]
    points = mesh.rest[np.concatenate(loops)]
    low = np.maximum(np.floor(points.min(0) - 2 * radius), 0).astype(int)
    high = np.minimum(np.ceil(points.max(0) + 2 * radius), np.array(image.shape[1::-1])).astype(int)
    patch = image[low[1]:high[1], low[0]:high[0]].astype(np.float32)
    outline = _outline(rig, side) - low
    sclera, iris, shade = _separate(patch, outline, centre - low, radius)
    depth = float(mesh.shape[np.concatenate(loops), 2].mean())
    n = len(loops[0])
    upper = mesh.rest[loops[0]] - low
    roof = np.interp(np.arange(patch.shape[1]), upper[:, 0], upper[:, 1]).astype(np.float32)
    columns = np.zeros((4, int(1.2 * np.ptp(points[:, 0]) + 16) * SAMPLES), np.float32)
    return Eye(rig, side, (int(low[0]), int(low[1])), sclera, iris, shade, depth, to_rest(mesh, depth),
               (np.zeros((n, 2), np.float32), np.zeros((n, 2), np.float32)),
               columns, roof)


def _find_iris(image: NDArray[np.uint8], centre: NDArray[np.float32], guess: float,
               outline: NDArray[np.float32], known: float | None = None) -> tuple[NDArray[np.float32], float]:
    """Centre and radius px of an iris near the landmarks': the two steps to the white that go together.

    With a `known` radius only its neighbourhood is searched.
    """
    grey = cv2.GaussianBlur(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32), (0, 0), max(0.08 * guess, 0.5))
    open_eye = np.zeros(grey.shape, np.uint8)
    cv2.fillPoly(open_eye, [np.rint(outline * 16).astype(np.int32)], 1, shift=4)
    reach = np.linspace(*RIMS, 40)
    rises = []
    for sign in (-1, 1):
        angle = np.radians(np.arange(-25, 26, 5)) + (np.pi if sign < 0 else 0)
        u = (centre[0] + guess * reach[:, None] * np.cos(angle)).astype(np.float32)
        v = (centre[1] + guess * reach[:, None] * np.sin(angle)).astype(np.float32)
        seen = cv2.remap(open_eye, u, v, cv2.INTER_NEAREST)
        slope = np.gradient(cv2.remap(grey, u, v, cv2.INTER_LINEAR), guess * (reach[1] - reach[0]), axis=0) * seen
        rises.append(slope.sum(1) / len(angle))
    together = rises[0][:, None] + rises[1][None]
    together[np.abs(reach[:, None] - reach[None]) > (0.4 if known is None else 0.75)] = -1
    if known is not None:
        size = (reach[:, None] + reach[None]) / 2 * guess
        together[np.abs(size - known) > 0.12 * known] = -1
    if together.max() < LEAST_STEP:
        return centre, known or USUAL * guess
    left, right = (reach[k] * guess for k in np.unravel_index(together.argmax(), together.shape))
    return centre + np.array([(right - left) / 2, 0], np.float32), float(left + right) / 2


def _separate(patch: NDArray[np.float32], outline: NDArray[np.float32], centre: NDArray[np.float32],
              radius: float) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Sclera [h, w, 3] without iris, iris [h, w, 4] without lids, and what lids and lashes cast on them [h, w, 3].

    Inside `outline` (sclera under iris) times shade is `patch` itself, so a steady gaze shows the portrait's own eye.
    """
    h, w = patch.shape[:2]
    shape = np.zeros((h, w), np.uint8)
    cv2.fillPoly(shape, [np.rint(outline * 16).astype(np.int32)], 255, shift=4)
    visible = shape > 0
    depth = cv2.distanceTransform(shape, cv2.DIST_L2, 3)
    inner = depth > 0.22 * radius                                # clear of lids and lashes
    yy, xx = np.mgrid[:h, :w].astype(np.float32)
    away = np.hypot(xx - centre[0], yy - centre[1]) / radius
    opacity = np.clip((LIMBUS - away) / 0.25, 0, 1)[..., None]
    beside = inner & (away > LIMBUS)
    light = patch.mean(2)
    clean = beside & (light > 0.85 * np.percentile(light[beside], 75)) if beside.any() else beside    # no skin
    white = spread_colour(patch, clean) if clean.any() else np.broadcast_to(np.float32(200), patch.shape)
    white = np.where(beside[..., None], patch, white)
    own = patch - (1 - opacity) * white
    seen = (inner & (away < LIMBUS - 0.1)).astype(np.float32)
    solved = np.clip(own / np.maximum(opacity, 0.3), 0, 255)
    iris = np.where((inner & (away < LIMBUS))[..., None], own, _complete(solved, seen, centre, away) * opacity)
    ratio = np.clip((patch + 2) / (white * (1 - opacity) + iris + 2), 0.15, 1.05)
    ratio = np.where(visible[..., None], ratio, spread_colour(ratio, visible & (depth < 2)))
    ratio = cv2.GaussianBlur(ratio, (0, 0), 0.6)
    shade = np.where(inner[..., None], np.float32(1), ratio)
    left = np.where(visible[..., None], (patch + 2) / shade - 2 - white * (1 - opacity) - iris, 0)
    white = white + np.where(opacity < 0.5, left / np.maximum(1 - opacity, 0.5), 0)
    iris = iris + np.where(opacity < 0.5, 0, left)
    return (white.astype(np.float32), np.concatenate([iris, opacity], 2).astype(np.float32), shade.astype(np.float32))


def _complete(disc: NDArray[np.float32], seen: NDArray[np.float32], centre: NDArray[np.float32],
              away: NDArray[np.float32]) -> NDArray[np.float32]:
    """Fill what the lids hide of an iris: from its mirror image below, else from its mean at that radius."""
    h, w = seen.shape
    flip = np.float32([[1, 0, 0], [0, -1, 2 * centre[1]]])
    mirrored = cv2.warpAffine(disc, flip, (w, h), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    mirror_seen = cv2.warpAffine(seen, flip, (w, h), flags=cv2.INTER_LINEAR)[..., None]
    ring = np.clip((away * 12).astype(int), 0, 30)
    total = np.bincount(ring.ravel(), seen.ravel(), 31)
    mean = np.stack([np.bincount(ring.ravel(), (disc[..., k] * seen).ravel(), 31) for k in range(3)], 1)
    known = np.flatnonzero(total > 0.5)
    if known.size == 0:
        return disc
    mean = np.stack([np.interp(np.arange(31), known, mean[known, k] / total[known]) for k in range(3)], 1)[ring]
    filled = mean + (mirrored - mean) * mirror_seen
    return (filled + (disc - filled) * seen[..., None]).astype(np.float32)


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
def _paint_eye(columns, start, back, sclera, iris, shade, across, upward, shut, scale, roof, out):
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
                value = (_read(shade, u, v + shift, k) * (value + 2) - 2) * shadow
                value = min(max(value, np.float32(0)), np.float32(255))
                out[y, x, k] = np.uint8(out[y, x, k] * (1 - share) + value * share + np.float32(0.5))
