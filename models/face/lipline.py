"""Where closed lips meet. A parted copy of a lip edge shows every pixel that the landmarks are off.

A closed mouth gets one line for both inner contours, laid on the dark line between the lips: the cheapest path over
columns (Viterbi 1967). In an open mouth the landmarks stand.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from .canonical import INNER_LOWER, INNER_UPPER, OUTER_CORNERS, OUTER_LOWER, OUTER_UPPER

CLOSED = 0.030               # of the distance between the outer eye corners: a smaller measured gap counts as closed
REACH = 0.038                # the same unit: how far from the landmarks the true edge is looked for
PARTED, SEARCH = 0.030, 0.03     # the same unit: least gap that counts as parted; how far off the landmarks it may lie
SHADOW = 0.03                # the same unit: how far the dark of an open mouth may reach past its contour
LESS_RED = 7.0               # CIE a* by which what shows between parted lips differs from them
COLUMNS, STEPS = 64, 41
CORNER = 0.6                 # of the way from the mesh's inner mouth corner to the outer one, where lips really part
# The mesh's rows across each lip, from the outer contour to the inner one, upper lip first.
LIP_LOOPS = (
    (OUTER_UPPER, (76, 184, 74, 73, 72, 11, 302, 303, 304, 408, 306),
     (62, 183, 42, 41, 38, 12, 268, 271, 272, 407, 292), INNER_UPPER),
    (OUTER_LOWER, (76, 77, 90, 180, 85, 16, 315, 404, 320, 307, 306),
     (62, 96, 89, 179, 86, 15, 316, 403, 319, 325, 292), INNER_LOWER),
)


@dataclass(frozen=True, slots=True)
class _Frame:
    """Axes along and across the mouth; `points` in them are (along 0..1, across px, down positive)."""

    origin: NDArray[np.float32]
    along: NDArray[np.float32]
    down: NDArray[np.float32]

    def enter(self, px: NDArray[np.float32]) -> NDArray[np.float32]:
        offset = px - self.origin
        return np.stack([offset @ self.along / (self.along @ self.along), offset @ self.down], axis=-1)

    def leave(self, along: NDArray[np.float32], across: NDArray[np.float32]) -> NDArray[np.float32]:
        return self.origin + along[..., None] * self.along + across[..., None] * self.down


def settle_lips(image: NDArray[np.uint8], landmarks: NDArray[np.float32]) -> NDArray[np.float32]:
    """Landmarks [478, 3] with the inner lip contours laid on the edges seen in `image` u8 RGB."""
    out = _settle_inner(image, landmarks)
    for outer, *between, inner in LIP_LOOPS:
        for column in zip(outer, *between, inner, strict=True):
            _carry(landmarks, out, column)
    return out


def _carry(before: NDArray[np.float32], after: NDArray[np.float32], column: tuple[int, ...]) -> None:
    """Keep the points between the outer and the inner contour in order when the inner one of `column` has moved."""
    outer, *between, inner = column
    span = before[inner, :2] - before[outer, :2]
    moved = after[inner] - before[inner]
    for name in between:
        share = (before[name, :2] - before[outer, :2]) @ span / max(float(span @ span), 1e-6)
        after[name] = before[name] + np.clip(share, 0, 1) * moved


def _settle_inner(image: NDArray[np.uint8], landmarks: NDArray[np.float32]) -> NDArray[np.float32]:
    out = _widened(landmarks)
    upper, lower = np.array(INNER_UPPER), np.array(INNER_LOWER)
    eyes = float(np.linalg.norm(landmarks[OUTER_CORNERS[0]] - landmarks[OUTER_CORNERS[1]]))
    along = out[upper[-1], :2] - out[upper[0], :2]
    frame = _Frame(out[upper[0], :2], along, np.array([-along[1], along[0]]) / np.linalg.norm(along))
    top, bottom = frame.enter(out[upper, :2]), frame.enter(out[lower, :2])
    if float((bottom - top)[3:8, 1].mean()) <= CLOSED * eyes:
        middle = (out[upper] + out[lower]) / 2
        edges = _parted(image, frame, [frame.enter(out[list(names), :2]) for names in (OUTER_UPPER, OUTER_LOWER)],
                        frame.enter(middle[:, :2]), eyes)
        if edges is not None:
            out[upper[1:-1], :2], out[lower[1:-1], :2] = (edge[1:-1] for edge in edges)
            return out
        middle[:, :2] = _dark_line(image, frame, frame.enter(middle[:, :2]), REACH * eyes)
        out[upper[1:-1]] = out[lower[1:-1]] = middle[1:-1]
        return out
    out[upper[1:-1], :2] = _past_shadow(image, frame, top, -SHADOW * eyes)[1:-1]
    out[lower[1:-1], :2] = _past_shadow(image, frame, bottom, SHADOW * eyes)[1:-1]
    return out


def _past_shadow(image: NDArray[np.uint8], frame: _Frame, curve: NDArray[np.float32],
                 reach: float) -> NDArray[np.float32]:
    """An open mouth's contour [n, 2] moved outwards, by `reach` px at most, past what is too dark to be lip; px."""
    grey = cv2.GaussianBlur(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32), (0, 0), 0.7)
    along = np.linspace(0, 1, COLUMNS, dtype=np.float32)
    base = np.interp(along, curve[:, 0], curve[:, 1]).astype(np.float32)
    steps = np.linspace(0, 1, 16, dtype=np.float32) * reach
    px = frame.leave(np.repeat(along[:, None], 16, 1), base[:, None] + steps).astype(np.float32)
    values = cv2.remap(grey, px[..., 0], px[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    dark = values < 0.72 * np.median(values[:, -1])
    count = np.where(dark.all(1), 0, np.argmin(dark, axis=1))                # all dark: a beard, not a shadow
    moved = cv2.GaussianBlur(steps[count][None], (0, 0), 1.5, borderType=cv2.BORDER_REPLICATE)[0]
    return frame.leave(curve[:, 0], np.interp(curve[:, 0], along, base + moved).astype(np.float32))


def _widened(landmarks: NDArray[np.float32]) -> NDArray[np.float32]:
    """Landmarks whose inner contours reach nearly to the lips' corners, where real mouths open."""
    out = landmarks.copy()
    low, high = landmarks[INNER_UPPER[0], :2], landmarks[INNER_UPPER[-1], :2]
    ends = [landmarks[inner] + CORNER * (landmarks[outer] - landmarks[inner])
            for inner, outer in zip((INNER_UPPER[0], INNER_UPPER[-1]), (OUTER_UPPER[0], OUTER_UPPER[-1]), strict=True)]
    axis = high - low
    for name in {*INNER_UPPER, *INNER_LOWER}:
        share = float((landmarks[name, :2] - low) @ axis / (axis @ axis))
        shift = (ends[0] - landmarks[INNER_UPPER[0]]) * (1 - share) + (ends[1] - landmarks[INNER_UPPER[-1]]) * share
        out[name] += shift * abs(2 * share - 1)
    return out


def _parted(image: NDArray[np.uint8], frame: _Frame, outer: list[NDArray[np.float32]], curve: NDArray[np.float32],
            eyes: float) -> list[NDArray[np.float32]] | None:
    """Upper and lower edge px [n, 2] of lips that are parted although the landmarks lie together, or None.

    What shows between the lips, teeth or darkness, is less red than they are; a mere dark line is too thin to count.
    """
    red = cv2.GaussianBlur(cv2.cvtColor(image, cv2.COLOR_RGB2LAB)[..., 1].astype(np.float32), (0, 0), 0.7)
    along = np.linspace(0, 1, COLUMNS, dtype=np.float32)
    middle, top, bottom = (np.interp(along, c[:, 0], c[:, 1]).astype(np.float32) for c in (curve, *outer))
    steps = np.arange(-0.09, 0.09, 0.004, dtype=np.float32) * eyes
    across = middle[:, None] + steps
    px = frame.leave(np.repeat(along[:, None], len(steps), 1), across).astype(np.float32)
    values = cv2.remap(red, px[..., 0], px[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    between = (across > top[:, None]) & (across < bottom[:, None])
    lips = np.percentile(values[between], 70)
    least = np.percentile(values[between], 5)
    if lips - least < LESS_RED:
        return None
    gap = between & (values < lips - 0.5 * (lips - least))
    runs = np.array([_run(column, len(steps) // 2, round(SEARCH / 0.004)) for column in gap])
    first, last = between.argmax(1), between.shape[1] - between[:, ::-1].argmax(1)
    inside = (runs[:, 0] > first) & (runs[:, 1] < last)          # what reaches a lip's outer edge is hair or skin
    wide = (runs[:, 1] - runs[:, 0]) * 0.004 * inside
    centre = slice(COLUMNS // 5, -(COLUMNS // 5))
    if np.median(wide[centre]) < PARTED or (wide[centre] > 0.6 * PARTED).mean() < 0.7:
        return None
    known = np.flatnonzero((wide > 0.5 * PARTED) & (np.abs(along - 0.5) < 0.36))
    edges = []
    for end in (0, 1):
        found = middle[known] + steps[np.minimum(runs[known, end], len(steps) - 1)]
        height = np.interp(np.arange(COLUMNS), [0, *known, COLUMNS - 1], [middle[0], *found, middle[-1]])
        smooth = cv2.GaussianBlur(cv2.medianBlur(height[None].astype(np.float32), 5), (0, 0), 2.0,
                                  borderType=cv2.BORDER_REPLICATE)[0]
        edges.append(frame.leave(curve[:, 0], np.interp(curve[:, 0], along, smooth).astype(np.float32)))
    return edges


def _run(marked: NDArray[np.bool_], centre: int, reach: int) -> tuple[int, int]:
    """Start and end of the longest marked run that comes within `reach` of `centre`; (centre, centre) without one."""
    bounds = np.flatnonzero(np.diff(np.concatenate([[0], marked.astype(np.int8), [0]])))
    runs = [(a, b) for a, b in zip(bounds[::2], bounds[1::2], strict=True)
            if a <= centre + reach and b >= centre - reach]
    return max(runs, key=lambda run: run[1] - run[0], default=(centre, centre))


def _dark_line(image: NDArray[np.uint8], frame: _Frame, curve: NDArray[np.float32],
               reach: float) -> NDArray[np.float32]:
    """`curve` [n, 2] in mouth axes moved onto the darkest path within `reach` px of it; returns px [n, 2]."""
    grey = cv2.GaussianBlur(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32), (0, 0), 0.8)
    along = np.linspace(0, 1, COLUMNS, dtype=np.float32)
    base = np.interp(along, curve[:, 0], curve[:, 1]).astype(np.float32)
    steps = np.linspace(-1, 1, STEPS, dtype=np.float32)
    taper = np.minimum(1, 5 * np.minimum(along, 1 - along))[:, None]
    across = base[:, None] + steps * reach * taper
    px = frame.leave(np.repeat(along[:, None], STEPS, 1), across).astype(np.float32)
    values = cv2.remap(grey, px[..., 0], px[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    cost = (values - values.min(1, keepdims=True)) / max(float(values.std()), 2.0) + 0.8 * steps**2
    line = across[np.arange(COLUMNS), cheapest_path(cost)]
    line = cv2.GaussianBlur(line[None], (0, 0), 1.6, borderType=cv2.BORDER_REPLICATE)[0]
    return frame.leave(curve[:, 0], np.interp(curve[:, 0], along, line).astype(np.float32))


def cheapest_path(cost: NDArray[np.float32]) -> NDArray[np.intp]:
    """The cheapest path through columns of `cost` [columns, steps] that changes its step gently."""
    steps = np.arange(cost.shape[1])
    jump = 0.08 * (steps[:, None] - steps[None]) ** 2.0
    total, origin = cost[0], []
    for column in cost[1:]:
        choices = total[None] + jump
        origin.append(choices.argmin(1))
        total = choices.min(1) + column
    path = [int(total.argmin())]
    for step in origin[::-1]:
        path.append(int(step[path[-1]]))
    return np.array(path[::-1])
