"""Openings in the skin: the mouth and the eyes as pairs of smooth curves over picture columns.

A curve is given at a few points from left to right; between them a cubic Hermite spline runs, so that an opening shows
no corners however large it is drawn.
"""

import numpy as np
from numba import njit

SAMPLES = 2                  # per pixel and axis: what lies in an opening is drawn at twice the picture's resolution


@njit(cache=True, nogil=True)
def trace(points, start, heights, slopes):
    """Sample a curve at columns: `points` f32 [n, 2] px, any order of x made rising; fills heights, slopes f32 [c].

    Column i lies at x = start + (i + 0.5) / SAMPLES - 0.5, in pixel centres. Outside the curve heights are NaN.
    """
    n = points.shape[0]
    k = 0
    for i in range(heights.shape[0]):
        x = start + (i + np.float32(0.5)) / SAMPLES - np.float32(0.5)
        if x < points[0, 0] or x > points[n - 1, 0]:
            heights[i] = np.nan
            slopes[i] = 0
            continue
        while k < n - 2 and points[k + 1, 0] < x:
            k += 1
        x0, x1, y0, y1 = points[k, 0], points[k + 1, 0], points[k, 1], points[k + 1, 1]
        h = max(x1 - x0, np.float32(1e-3))
        m = (y1 - y0) / h
        m0 = _tangent(points, k, m)
        m1 = _tangent(points, k + 1, m)
        t = (x - x0) / h
        t2, t3 = t * t, t * t * t
        heights[i] = (2 * t3 - 3 * t2 + 1) * y0 + (t3 - 2 * t2 + t) * h * m0 \
            + (-2 * t3 + 3 * t2) * y1 + (t3 - t2) * h * m1
        slopes[i] = m


@njit(cache=True, nogil=True)
def _tangent(points, k, fallback):
    if k == 0 or k == points.shape[0] - 1:
        return fallback
    return (points[k + 1, 1] - points[k - 1, 1]) / max(points[k + 1, 0] - points[k - 1, 0], np.float32(1e-3))


@njit(cache=True, nogil=True)
def gather(px, loop, out):
    """Curve `loop` of vertices `px` [V, 2] into out [n, 2], its x made strictly rising."""
    for i in range(loop.shape[0]):
        out[i, 0], out[i, 1] = px[loop[i], 0], px[loop[i], 1]
        if i > 0 and out[i, 0] <= out[i - 1, 0]:
            out[i, 0] = out[i - 1, 0] + np.float32(1e-3)


@njit(cache=True, nogil=True)
def coverage(y, top, bottom, slope_top, slope_bottom, soft):
    """Share in [0, 1] of a sample at row `y` that lies between the curves, with edges `soft` px wide."""
    above = (y - top) / np.sqrt(1 + slope_top * slope_top)
    under = (bottom - y) / np.sqrt(1 + slope_bottom * slope_bottom)
    a = min(max(above / soft + np.float32(0.5), np.float32(0)), np.float32(1))
    b = min(max(under / soft + np.float32(0.5), np.float32(0)), np.float32(1))
    return a * b


@njit(cache=True, nogil=True)
def join(columns, start, strength, out):
    """Smooth the edge where a shut opening's two sides meet: they are drawn to whole pixels, the curve runs between.

    `columns` holds heights and slopes of both curves [4, c] from picture column `start`; `strength` in [0, 1] is 0 for
    a face at rest, which is the portrait's own; `out` u8 [H, W, 3].
    """
    height, width = out.shape[0], out.shape[1]
    for i in range(columns.shape[1] // SAMPLES):
        x, c = start + i, i * SAMPLES
        top, bottom = (columns[0, c] + columns[0, c + 1]) / 2, (columns[2, c] + columns[2, c + 1]) / 2
        if x < 0 or x >= width or not bottom - top < 1:
            continue
        line = (top + bottom) / 2
        y = int(np.floor(line + np.float32(0.5)))
        if y < 1 or y > height - 2:
            continue
        share = (1 - max(bottom - top, np.float32(0))) * np.float32(0.9) * strength
        above = line - (y - np.float32(0.5))                     # part of the pixel that belongs to the upper side
        for k in range(3):
            mixed = out[y - 1, x, k] * above + out[y + 1, x, k] * (1 - above)
            out[y, x, k] = np.uint8(out[y, x, k] * (1 - share) + mixed * share + np.float32(0.5))


@njit(cache=True, nogil=True)
def mend(columns, start, strength, reach, out):
    """Repaint both rims of an opening, `reach` px deep, with the skin further out; shut rims run into each other.

    Lips that leave an open portrait's mouth carry its shadow along their edges, and where they meet, whole pixels go to
    one or the other. `columns` holds heights and slopes of both curves [4, c] from picture column `start`; `strength`
    in [0, 1] is 0 for a face at rest, which is the portrait's own; `out` u8 [H, W, 3].
    """
    height, width = out.shape[0], out.shape[1]
    above, below = np.empty(3, np.float32), np.empty(3, np.float32)
    known = np.flatnonzero(~(np.isnan(columns[0]) | np.isnan(columns[2])))
    if len(known) == 0:
        return
    c0, c1 = known[0], known[-1]
    pad = int(2 * reach) + 1                                         # an open mouth's dark goes on past its corners
    for i in range(c0 // SAMPLES - pad, c1 // SAMPLES + pad + 1):
        x, c = start + i, min(max(i * SAMPLES + 1, c0), c1)
        outside = np.float32(abs(i * SAMPLES + 1 - c)) / SAMPLES
        faded = strength * max(1 - outside / (pad + 1), np.float32(0))
        side = (np.float32(2) * (c - c0) / max(c1 - c0, 1) - 1) ** 4
        deep = reach * (1 + side)
        top, bottom = columns[0, c], max(columns[2, c], columns[0, c])
        first, last = int(np.ceil(top - deep)), int(np.floor(bottom + deep))
        if x < 0 or x >= width or first < 3 or last > height - 4:
            continue
        _level(out, x, top - deep - 1, above)
        _level(out, x, bottom + deep + 1, below)
        for y in range(first, last + 1):
            share = min(min(y - (top - deep), bottom + deep - y) / (np.float32(0.5) * deep), np.float32(1)) * faded
            under = min(max((y - (top + bottom) / 2) / (bottom - top + 1) + np.float32(0.5), np.float32(0)), np.float32(1))
            for k in range(3):
                mixed = above[k] * (1 - under) + below[k] * under
                out[y, x, k] = np.uint8(out[y, x, k] * (1 - share) + mixed * share + np.float32(0.5))


@njit(cache=True, nogil=True)
def _level(picture, x, y, colour):
    """Colour [3] of column `x` at the height `y` px."""
    row = int(np.floor(y))
    f = y - row
    for k in range(3):
        colour[k] = picture[row, x, k] * (1 - f) + picture[row + 1, x, k] * f
