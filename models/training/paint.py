"""A small oil-paint box on NumPy arrays: smooth shapes, soft shadows, and hair as thousands of tapering strokes.

Everything is drawn in centimetres of the canonical face (x to the sitter's left, y up) so that shapes, strokes and the
sculpted face share one frame; colours are sRGB in [0, 1].
"""

from collections.abc import Callable, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

Colour = tuple[float, float, float]
Mask = NDArray[np.float32]           # [S, S] in [0, 1]
Curve = NDArray[np.float64]          # [n, 2] cm
_SUBPIXEL = 4                        # bits of fraction in polygon corners


def rgb(code: str) -> Colour:
    """'#rrggbb' as three numbers in [0, 1]."""
    return tuple(int(code[i:i + 2], 16) / 255 for i in (1, 3, 5))


def spline(points: Sequence[tuple[float, float]] | Curve, per_span: int = 16, closed: bool = False) -> Curve:
    """A Catmull-Rom curve through `points`."""
    p = np.asarray(points, float)
    p = np.concatenate([p[-1:], p, p[:2]]) if closed else np.concatenate([2 * p[:1] - p[1:2], p, 2 * p[-1:] - p[-2:-1]])
    t = np.linspace(0, 1, per_span, endpoint=False)[:, None, None]
    a, b, c, d = p[:-3], p[1:-2], p[2:-1], p[3:]
    spans = 0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3)
    curve = spans.transpose(1, 0, 2).reshape(-1, p.shape[1])
    return curve if closed else np.concatenate([curve, p[-2:-1]])


class Canvas:
    """A square picture, f32 [side, side, 3]; `origin` is the place of (0, 0) cm in parts of the side, `scale` is px
    per cm.
    """

    def __init__(self, side: int, scale: float, origin: tuple[float, float]) -> None:
        self.side, self.scale = side, scale
        self.origin = np.array(origin) * side
        self.pixels = np.zeros((side, side, 3), np.float32)
        self.cover = np.zeros((side, side), np.float32)                        # how much of the backdrop is hidden
        y, x = np.mgrid[:side, :side].astype(np.float32)
        self.x = (x - np.float32(self.origin[0])) / np.float32(scale)          # cm at every pixel
        self.y = (np.float32(self.origin[1]) - y) / np.float32(scale)

    def to_px(self, points: Sequence[tuple[float, float]] | Curve) -> NDArray[np.float64]:
        return np.asarray(points, float) * [self.scale, -self.scale] + self.origin

    def shape(self, outline: Curve, soft: float = 0.0) -> Mask:
        """Inside of a closed outline, its edge blurred by `soft` cm."""
        return self.lines([outline], soft)

    def line(self, curve: Curve, width: float | Callable[[float], float], soft: float = 0.0) -> Mask:
        """A stroke whose full width in cm may depend on the way along it, 0 to 1."""
        return self.shape(ribbon(curve, width), soft)

    def lines(self, outlines: Sequence[Curve], soft: float = 0.0) -> Mask:
        """Many shapes at once, as one mask."""
        corners = [self.to_px(outline) for outline in outlines]
        everything = np.concatenate(corners)
        (x0, y0), (x1, y1) = self._box(everything.min(0), everything.max(0), 4 * soft * self.scale + 4)
        mask = np.zeros((self.side, self.side), np.float32)
        part = np.zeros((y1 - y0, x1 - x0), np.uint8)
        for polygon in corners:
            inner = np.rint((polygon - [x0, y0]) * 2**_SUBPIXEL).astype(np.int32)
            cv2.fillPoly(part, [inner], 255, cv2.LINE_AA, _SUBPIXEL)
        mask[y0:y1, x0:x1] = self.blur(part.astype(np.float32) / 255, soft)
        return mask

    def spot(self, centre: tuple[float, float], radii: tuple[float, float], turn: float = 0.0) -> Mask:
        """A Gaussian bump with standard deviations `radii` cm, turned anticlockwise by `turn` radians."""
        middle, reach = self.to_px([centre])[0], 4 * max(radii) * self.scale
        (x0, y0), (x1, y1) = self._box(middle, middle, reach)
        dx, dy = self.x[y0:y1, x0:x1] - centre[0], self.y[y0:y1, x0:x1] - centre[1]
        c, s = np.cos(turn), np.sin(turn)
        mask = np.zeros((self.side, self.side), np.float32)
        mask[y0:y1, x0:x1] = np.exp(-0.5 * (((dx * c + dy * s) / radii[0])**2 + ((dy * c - dx * s) / radii[1])**2))
        return mask

    def blur(self, mask: Mask, soft: float) -> Mask:
        """`mask` blurred by a Gaussian of `soft` cm."""
        sigma = soft * self.scale
        return cv2.GaussianBlur(mask, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE) if sigma > 0.3 else mask

    def over(self, mask: Mask, colour: Colour | NDArray[np.float32], strength: float = 1.0) -> None:
        """Opaque paint; it hides the background."""
        where = self._used(mask)
        a = (mask[where] * np.float32(strength))[..., None]
        paint = np.asarray(colour, np.float32)
        self.pixels[where] += a * ((paint[where] if paint.ndim == 3 else paint) - self.pixels[where])
        self.cover[where] += a[..., 0] * (1 - self.cover[where])

    def multiply(self, mask: Mask, colour: Colour, strength: float = 1.0) -> None:
        """A glaze: shadows and blushes."""
        where = self._used(mask)
        self.pixels[where] *= 1 - (mask[where] * np.float32(strength))[..., None] * (1 - np.asarray(colour, np.float32))

    def screen(self, mask: Mask, colour: Colour, strength: float = 1.0) -> None:
        """Light that adds up without burning out."""
        where = self._used(mask)
        light = (mask[where] * np.float32(strength))[..., None] * np.asarray(colour, np.float32)
        self.pixels[where] += (1 - self.pixels[where]) * light

    def backdrop(self, colour: NDArray[np.float32]) -> None:
        """Begin with `colour` [S, S, 3]; nothing covers it yet."""
        self.pixels[:] = colour
        self.cover[:] = 0

    def _box(self, low: NDArray[np.float64], high: NDArray[np.float64], pad: float) -> NDArray[np.intp]:
        """First and one past the last corner [2, 2] of a rectangle of pixels, kept on the canvas and never empty."""
        first = np.clip(np.floor(low - pad), 0, self.side - 1).astype(int)
        last = np.clip(np.ceil(high + pad) + 1, first + 1, self.side).astype(int)
        return np.stack([first, last])

    def _used(self, mask: Mask) -> tuple[slice, slice]:
        """The smallest rectangle outside which `mask` is nothing."""
        rows, columns = np.flatnonzero(mask.max(1) > 1e-3), np.flatnonzero(mask.max(0) > 1e-3)
        if not len(rows):
            return np.s_[0:0, 0:0]
        return np.s_[rows[0]:rows[-1] + 1, columns[0]:columns[-1] + 1]

    def picture(self, side: int) -> NDArray[np.uint8]:
        """The finished picture, u8 RGBA [side, side, 4], every pixel the mean of those it covers."""
        whole = np.dstack([self.pixels, self.cover])
        small = cv2.resize(np.clip(whole, 0, 1), (side, side), interpolation=cv2.INTER_AREA)
        return np.rint(small * 255).astype(np.uint8)


def strands(canvas: Canvas, guides: Sequence[Curve], count: int, colour: Callable[[float, float, float], Colour], *,
            width: float, rng: np.random.Generator, spread: float = 0.12,
            length: tuple[float, float] = (0.75, 1.0), roots: float = 0.12) -> None:
    """Paint `count` hairs between neighbouring `guides` (each root to tip, any number of points).

    `colour(across, along, chance)` gives the colour of a piece of hair: across 0 to 1 from the first guide to the
    last, along 0 to 1 from root to tip, chance in [-1, 1] per hair. `width` and `spread` are in cm, `length` is the
    range of a hair's share of its guide, `roots` the share of it over which hairs begin.
    """
    pieces = 40
    lines = np.stack([_even(spline(g), pieces + 1) for g in guides])           # [guides, pieces + 1, 2]
    for across in rng.permutation(np.linspace(0, 1, count)):
        place = across * (len(lines) - 1)
        i = min(int(place), len(lines) - 2)
        hair = lines[i] * (1 - place + i) + lines[i + 1] * (place - i)
        sway = rng.normal(0, spread, (4, 2)) * np.array([[0.3], [0.7], [1], [1.4]])
        hair = hair + _even(spline(sway), pieces + 1)
        begin = int(rng.uniform(0, roots) * pieces)
        end = rng.uniform(*length)
        chance = rng.uniform(-1, 1)
        px = np.rint(canvas.to_px(hair) * 2**_SUBPIXEL).astype(np.int32)
        for k in range(begin, max(begin + 2, int(end * pieces))):
            t = k / pieces
            thick = width * canvas.scale * (0.35 + 0.65 * np.sin(np.pi * min(1, (t / end) * 0.5 + 0.5)))
            a, b, thick = px[k].tolist(), px[k + 1].tolist(), max(1, round(thick))
            cv2.line(canvas.pixels, a, b, colour(across, t, chance), thick, cv2.LINE_8, _SUBPIXEL)
            cv2.line(canvas.cover, a, b, 1.0, thick, cv2.LINE_8, _SUBPIXEL)


def _even(curve: Curve, n: int) -> Curve:
    """The curve as `n` points evenly spaced along it."""
    along = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(curve, axis=0), axis=1))])
    at = np.linspace(0, along[-1], n)
    return np.stack([np.interp(at, along, curve[:, k]) for k in range(curve.shape[1])], axis=1)


def moved(curve: Curve, dx: float, dy: float) -> Curve:
    """The curve, or a single point, shifted by cm."""
    return curve + np.array([dx, dy])


def ribbon(curve: Curve, width: float | Callable[[float], float]) -> Curve:
    """The outline of a stroke along `curve`."""
    along = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(curve, axis=0), axis=1))])
    along = along / max(along[-1], 1e-9)
    widths = np.array([width(t) for t in along]) if callable(width) else np.full(len(along), width)
    normal = np.gradient(curve, axis=0)[:, ::-1] * [-1, 1]
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-9)
    half = normal * widths[:, None] / 2
    return np.concatenate([curve + half, (curve - half)[::-1]])


def mix(a: Colour, b: Colour, t: float) -> Colour:
    """Between two colours."""
    return tuple(float(x + (y - x) * t) for x, y in zip(a, b, strict=True))
