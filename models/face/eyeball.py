"""A portrait's eye taken apart: where its iris is, the white under it, the iris whole, and what the lids cast on both."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from .layers import spread_colour

LIMBUS, EDGE = 1.26, 0.25    # iris radii at which the white of a sharp eye is clean, and over which it becomes so
RIMS = (0.8, 1.9)            # radii at which an iris's rim is looked for, over the one that the landmarks say
USUAL, LEAST_STEP = 1.1, 14.0        # what it usually is; grey levels per px, both sides together, of a clear rim
FURTHEST, RING = 2.2, 0.1    # radii a blurred iris may reach, and of a ring of its profile
SIDEWAYS = np.radians(40)    # from the horizontal: there no lid hides the white


@dataclass(frozen=True, slots=True)
class Parts:
    """All f32 [h, w, c]. White under iris, times shade, plus rest, is the portrait's own eye."""

    sclera: NDArray[np.float32]              # RGB, iris painted away
    iris: NDArray[np.float32]                # RGB premultiplied by opacity, and opacity; no lids
    shade: NDArray[np.float32]               # factor RGB: lids and lashes; moves with the upper lid
    rest: NDArray[np.float32]                # RGB, what a steady gaze alone shows


def find_iris(image: NDArray[np.uint8], centre: NDArray[np.float32], guess: float,
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


def take_apart(patch: NDArray[np.float32], outline: NDArray[np.float32], centre: NDArray[np.float32], radius: float) -> Parts:
    """The parts of an eye in `patch` [h, w, 3] whose opening is the polygon `outline` [n, 2] px, with its iris."""
    h, w = patch.shape[:2]
    shape = np.zeros((h, w), np.uint8)
    cv2.fillPoly(shape, [np.rint(outline * 16).astype(np.int32)], 255, shift=4)
    visible = shape > 0
    depth = cv2.distanceTransform(shape, cv2.DIST_L2, 3)
    inner = depth > 0.22 * radius                                # clear of lids and lashes
    yy, xx = np.mgrid[:h, :w].astype(np.float32)
    away = np.hypot(xx - centre[0], yy - centre[1]) / radius
    sharp = np.clip((LIMBUS - away) / EDGE, 0, 1)
    white = _white(patch, inner & (away > LIMBUS), centre[0])
    sideways = inner & (np.abs(yy - centre[1]) < away * radius * np.sin(SIDEWAYS))
    opacity = np.maximum(sharp, _blurred_edge(patch.mean(2), white.mean(2), away, sideways))[..., None]
    white = _white(patch, inner & (opacity[..., 0] < 0.02), centre[0])
    own = patch - (1 - opacity) * white
    whole = inner & (opacity[..., 0] > 0)
    seen = (inner & (away < LIMBUS - 0.1)).astype(np.float32)
    solved = np.clip(own / np.maximum(opacity, 0.3), 0, 255)
    iris = np.where(whole[..., None], own, _complete(solved, seen, centre, away) * opacity)
    ratio = np.clip((patch + 2) / (white * (1 - opacity) + iris + 2), 0.15, 1.05)
    ratio = np.where(visible[..., None], ratio, spread_colour(ratio, visible & (depth < 2)))
    ratio = cv2.GaussianBlur(ratio, (0, 0), 0.6)
    shade = 1 + (ratio - 1) * np.clip(2 - 2 * depth / (0.22 * radius), 0, 1)[..., None]
    drawn = cv2.dilate(shape, np.ones((3, 3), np.uint8))[..., None] > 0          # edges reach half a pixel further
    left = np.where(drawn, (patch + 2) / shade - 2 - white * (1 - opacity) - iris, 0)
    white = white + np.where(opacity < 0.5, left / np.maximum(1 - opacity, 0.5), 0)
    rest = np.where(opacity < 0.5, 0, left * shade)              # on the iris it would wander with the gaze
    return Parts(*(np.ascontiguousarray(each, np.float32) for each in (white, np.concatenate([iris, opacity], 2), shade, rest)))


def _white(patch: NDArray[np.float32], beside: NDArray[np.bool_], middle: float) -> NDArray[np.float32]:
    """The white of the eye [h, w, 3] everywhere, from what is seen of it `beside` the iris, left and right of the column `middle`."""
    if not beside.any():
        return np.full_like(patch, 200)
    xx = np.arange(patch.shape[1])[None]
    light, clean = patch.mean(2), np.zeros_like(beside)
    for side in (xx < middle, xx >= middle):                     # one may lie in shade
        if (beside & side).any():
            clean |= beside & side & (light > 0.85 * np.percentile(light[beside & side], 75))    # no skin
    return np.where(beside[..., None], patch, spread_colour(patch, clean)).astype(np.float32)


def _blurred_edge(light: NDArray, white: NDArray, away: NDArray, sideways: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Opacity [h, w] of an iris by how dark the eye is round it: in a blurred picture its edge is wide."""
    ring = (away / RING).astype(int)
    count = int(FURTHEST / RING) + 1
    used = sideways & (ring < count)
    dark = np.median((white - light)[sideways & (away < 0.8)]) if (sideways & (away < 0.8)).any() else 0
    n = np.bincount(ring[used], minlength=count)
    if dark < 4 or (n[int(1 / RING):] > 0).sum() < 4:            # no contrast, or no white seen
        return np.zeros_like(light, np.float32)
    known = np.flatnonzero(n)
    mean = np.bincount(ring[used], ((white - light) / dark)[used], count)[known] / n[known]
    profile = np.minimum.accumulate(np.clip(mean, 0, 1))
    profile = (profile - profile[-1]) / max(1 - profile[-1], 1e-3)
    return np.interp(away, (known + 0.5) * RING, profile, right=0).astype(np.float32)


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
