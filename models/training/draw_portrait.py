"""Draw the illustrated avatars that ship with limner: original pictures, made by this program and nothing else."""

import numpy as np
from numpy.typing import NDArray

from limner.models.face.canonical import OVAL, coarse

from . import features
from .features import Eye, Skin
from .paint import Canvas, Colour, Curve, mix, moved, rgb, ribbon, spline, strands
from .sculpt import bend, magnify

SIDE, OVERSAMPLING = 1024, 2
_CM = 0.395 / 15.5                   # of the side per cm: the face fills about two fifths of the width
_ORIGIN = (0.5, 0.455)
IRIS_WALL = rgb("#d3e3de"), rgb("#6c9c99")       # where the light falls, and away from it
OTTO_WALL = rgb("#e6dcc9"), rgb("#a08a6d")


def wall(colours: tuple[Colour, Colour]) -> NDArray[np.uint8]:
    """The backdrop alone, u8 RGB [SIDE, SIDE, 3]."""
    return _canvas(*colours).picture(SIDE)[..., :3]


def _canvas(middle: Colour, edge: Colour) -> Canvas:
    side = SIDE * OVERSAMPLING
    canvas = Canvas(side, _CM * side, _ORIGIN)
    glow = canvas.spot((-5, 6), (15, 14))[..., None]
    canvas.backdrop(np.float32(edge) * (1 - glow) + np.float32(middle) * glow)
    return canvas


def _outline(points: NDArray[np.float32], grow: float = 0.06, crown: float = 0.0) -> Curve:
    """The face's own outline, its forehead raised by `crown` cm under the hair."""
    oval = points[list(OVAL), :2].astype(float)
    centre = oval.mean(0)
    oval = centre + (oval - centre) * (1 + grow / 8)
    oval[:, 1] += crown * np.clip((oval[:, 1] - 3) / 5, 0, 1)
    return spline(oval, closed=True)


def _garment(canvas: Canvas, outline: Curve, colour: Colour, rng: np.random.Generator) -> None:
    """Cloth with soft folds, lit like the face."""
    shape = canvas.shape(outline, 0.02)
    canvas.over(shape, colour)
    canvas.screen(canvas.spot((-8, -15.5), (6.5, 2.6), 0.35) * shape, mix(colour, (1, 1, 1), 0.5), 0.5)
    canvas.multiply(canvas.spot((12, -20), (7, 5)) * shape, (0.25, 0.25, 0.32), 0.6)
    canvas.multiply(canvas.spot((0, -22), (9, 2.5)) * shape, (0.3, 0.3, 0.36), 0.4)
    for _ in range(14):
        x, y = rng.uniform(-15, 15), rng.uniform(-21, -16)
        fold = spline([(x, y), (x * 1.12 + rng.normal(0, 1), y - 2), (x * 1.2 + rng.normal(0, 1.5), y - 4.5)])
        canvas.multiply(canvas.line(fold, lambda t: 0.8 * np.sin(np.pi * t), 0.3) * shape, (0.35, 0.35, 0.42), 0.28)
        canvas.screen(canvas.line(moved(fold, -0.6, 0), lambda t: 0.6 * np.sin(np.pi * t), 0.3) * shape,
                      mix(colour, (1, 1, 1), 0.4), 0.22)


def iris() -> NDArray[np.uint8]:
    """A young woman with brown skin and long dark hair, u8 RGBA [SIDE, SIDE, 4]; what is transparent shows the wall."""
    rng = np.random.default_rng(11)
    canvas = _canvas(*IRIS_WALL)
    skin = Skin((rgb("#4b231a"), rgb("#8a4a34"), rgb("#bb7a58"), rgb("#e9b993")), rgb("#6f8fa3"), rgb("#c9654f"), 0.75)
    points = _iris_face()
    _iris_hair_back(canvas, rng)
    features.neck(canvas, 3.5, -18.5, -8.6, skin)
    _sweater(canvas, rng)
    features.face(canvas, points, _outline(points, crown=2.6), skin)
    features.socket(canvas, points, skin, 0.8)
    features.nose(canvas, points, skin)
    features.lips(canvas, points, rgb("#b4524d"), skin, 0.7)
    features.eyes(canvas, points, Eye(rgb("#5b3218"), rgb("#1d0f0a"), rgb("#170d0c"), 0.78, 0.17, 12), skin, rng)
    features.brows(canvas, points, rgb("#20120e"), 240, 0.95, rng)
    _iris_hair_front(canvas, rng)
    return canvas.picture(SIDE)


def _iris_face() -> NDArray[np.float32]:
    points, _ = coarse()
    points = magnify(points, (3.16, 2.65), 1.9, 1.30, 1.85)
    points = magnify(points, (0, -4.4), 1.5, 1.02, 1.12)
    points = magnify(points, (0, -1.0), 1.7, 0.78, 0.92)
    points = magnify(points, (0, -9), 4.0, 0.90, 0.97)
    return bend(points, ((6.5, -5.5), 2.8, (-0.85, 0.2, 0)), ((3.2, 5.0), 1.6, (0, -0.75, 0)),
                ((5.6, 4.2), 1.2, (0.1, 0.22, 0)),
                ((4.5, 2.7), 0.8, (0.1, 0.08, 0)), ((2.6, -4.3), 0.8, (0.28, 0.55, 0)),
                ((0, -9.4), 1.6, (0, 0.2, 0)))


def _sweater(canvas: Canvas, rng: np.random.Generator) -> None:
    collar = [(-5.0, -12.4), (-3.9, -14.7), (0, -16.3), (3.9, -14.7), (5.0, -12.4)]
    outline = np.concatenate([spline(collar), spline([(5.0, -12.4), (9.5, -14.2), (14.5, -16.4), (18, -21), (19, -26)]),
                              spline([(-19, -26), (-18, -21), (-14.5, -16.4), (-9.5, -14.2), (-5.0, -12.4)])])
    canvas.multiply(canvas.line(spline(collar), 0.9, 0.35), rgb("#4b231a"), 0.7)
    _garment(canvas, outline, rgb("#e8d9c3"), rng)
    band = spline([(x * 1.06, y - 0.45) for x, y in collar])
    canvas.over(canvas.line(band, 0.95, 0.03), rgb("#dccbb2"))
    ribs = [ribbon(np.array([p + n * 0.42, p - n * 0.42]), 0.05)
            for p, n in zip(band[::2], _normals(band)[::2], strict=True)]
    canvas.multiply(canvas.lines(ribs), rgb("#9c8567"), 0.45)
    canvas.multiply(canvas.line(spline([(x * 1.1, y - 0.95) for x, y in collar]), 0.10, 0.06), rgb("#7d6a50"), 0.5)


def _normals(curve: Curve) -> Curve:
    way = np.gradient(curve, axis=0)
    return way[:, ::-1] * [-1, 1] / np.linalg.norm(way, axis=1, keepdims=True)


def _dark_hair(across: float, along: float, chance: float) -> Colour:
    bands = (1.0, 0.17, 0.06), (0.65, 0.52, 0.05), (0.5, 0.80, 0.04)             # strength, place, width along the hair
    shine = sum(h * np.exp(-((along - t + 0.04 * chance) / w)**2) for h, t, w in bands)
    shine *= np.exp(-((across - 0.45) / 0.38)**2) * (0.72 + 0.28 * chance)
    dark = mix(rgb("#150c0a"), rgb("#33201a"), 0.5 + 0.5 * chance)
    return mix(dark, rgb("#96664a"), float(np.clip(shine, 0, 1)) * 0.8)


_IRIS_LEFT = (      # the person's right side, from the face outward; root to tip
    [(-1.6, 9.2), (-4.1, 8.5), (-6.3, 5.9), (-7.0, 2.0), (-6.7, -2.8), (-6.0, -7.0), (-7.5, -11.5), (-5.6, -16),
     (-7.2, -20), (-5.8, -24)],
    [(-1.6, 10.6), (-4.5, 9.9), (-7.0, 7.1), (-7.9, 2.6), (-7.7, -3.0), (-7.2, -7.6), (-8.9, -12.2), (-7.1, -16.8),
     (-8.8, -21), (-7.6, -25)],
    [(-1.6, 11.7), (-4.9, 11.1), (-7.8, 8.1), (-8.9, 3.0), (-8.8, -3.0), (-8.5, -8.1), (-10.3, -12.8), (-8.7, -17.4),
     (-10.3, -21.6), (-9.2, -25)],
    [(-1.5, 12.9), (-5.1, 12.2), (-8.5, 9.0), (-9.8, 3.4), (-9.8, -3.2), (-9.8, -8.6), (-11.6, -13.2), (-10.3, -18),
     (-11.8, -22), (-10.9, -25)],
    [(-1.3, 13.9), (-5.0, 13.3), (-9.0, 9.9), (-10.5, 4.0), (-10.6, -3.0), (-10.9, -8.8), (-12.6, -13.6), (-11.7, -18),
     (-13, -22), (-12.3, -25)],
)
_IRIS_RIGHT = (     # the person's left side
    [(-1.6, 9.2), (1.7, 9.1), (5.2, 7.0), (6.9, 3.0), (6.8, -2.4), (6.1, -7.0), (7.8, -11.7), (6.0, -16.2),
     (7.7, -20.2), (6.4, -24)],
    [(-1.6, 10.6), (1.9, 10.7), (6.0, 8.5), (7.8, 3.4), (7.9, -2.8), (7.3, -7.7), (9.2, -12.4), (7.5, -17), (9.3, -21),
     (8.2, -25)],
    [(-1.6, 11.7), (2.1, 12.0), (6.7, 9.6), (8.8, 3.8), (9.0, -3.0), (8.7, -8.2), (10.6, -13), (9.1, -17.6),
     (10.9, -21.8), (9.9, -25)],
    [(-1.5, 12.9), (2.3, 13.2), (7.4, 10.5), (9.7, 4.2), (10.0, -3.0), (10.0, -8.7), (11.9, -13.4), (10.7, -18.2),
     (12.3, -22), (11.4, -25)],
    [(-1.3, 13.9), (2.5, 14.2), (7.9, 11.3), (10.4, 4.8), (10.8, -2.6), (11.1, -8.9), (12.9, -13.8), (12.0, -18.4),
     (13.4, -22), (12.7, -25)],
)


def _iris_hair_back(canvas: Canvas, rng: np.random.Generator) -> None:
    outline = np.concatenate([spline(_IRIS_LEFT[4])[::-1], spline(_IRIS_RIGHT[4])])
    canvas.over(canvas.shape(outline, 0.08), rgb("#140b09"))
    guides = [[(x, 6), (x * 1.15, -4), (x * 1.25, -12), (x * 1.2 + 0.6, -20)] for x in (-8, -4, 0, 4, 8)]
    strands(canvas, guides, 900, lambda a, t, c: mix(rgb("#120a08"), rgb("#2c1a14"), 0.5 + 0.5 * c), width=0.07,
            rng=rng, spread=0.4)


def _iris_hair_front(canvas: Canvas, rng: np.random.Generator) -> None:
    for guides, side in ((_IRIS_RIGHT, 1), (_IRIS_LEFT, -1)):
        inner, outer = spline(guides[0]), spline(guides[-1])
        canvas.multiply(canvas.line(moved(inner, -0.25 * side, -0.25), 1.1, 0.45), rgb("#4b231a"), 0.5)
        canvas.over(canvas.shape(np.concatenate([inner, outer[::-1]]), 0.05), rgb("#170d0a"))
        strands(canvas, guides, 1500, _dark_hair, width=0.075, rng=rng, spread=0.16)
    for guides in ([_IRIS_LEFT[0], _IRIS_LEFT[2]], [_IRIS_RIGHT[0], _IRIS_RIGHT[2]]):
        strands(canvas, guides, 60, _dark_hair, width=0.04, rng=rng, spread=0.4)
    parting = spline([(-1.35, 13.6), (-1.5, 11.5), (-1.6, 9.25)])
    canvas.over(canvas.line(parting, lambda t: 0.03 + 0.09 * t**2, 0.05), rgb("#7a4632"), 0.55)


def otto() -> NDArray[np.uint8]:
    """An older man with light skin, grey hair, a short beard and round glasses, u8 RGBA [SIDE, SIDE, 4]."""
    rng = np.random.default_rng(7)
    canvas = _canvas(*OTTO_WALL)
    skin = Skin((rgb("#6e3a2a"), rgb("#b4735a"), rgb("#e2ab8b"), rgb("#fbdcc2")), rgb("#8fa3b5"), rgb("#d9775f"), 0.7)
    points = _otto_face()
    features.neck(canvas, 4.7, -18.5, -9.0, skin)
    _jacket(canvas, rng)
    for side in (-1, 1):
        features.ear(canvas, side, (7.55, 0.6), skin, 1.05)
    _otto_hair_back(canvas, rng)
    features.face(canvas, points, _outline(points, crown=3.2), skin)
    _wrinkles(canvas, points, skin)
    features.socket(canvas, points, skin, 1.0)
    features.nose(canvas, points, skin)
    features.lips(canvas, points, rgb("#b5695c"), skin, 0.6)
    features.eyes(canvas, points, Eye(rgb("#587a8c"), rgb("#22343f"), rgb("#3a2a24"), 0.68, 0.10, 0), skin, rng)
    features.brows(canvas, points, rgb("#77706a"), 260, 1.15, rng)
    for side in (-1, 1):
        arm = spline([(side * 5.75, 2.9), (side * 6.9, 3.0), (side * 7.9, 2.7)])
        canvas.over(canvas.line(arm, 0.26, 0.015), rgb("#2d2420"))
    _otto_hair(canvas, rng)
    _otto_beard(canvas, points, rng)
    _glasses(canvas, points)
    return canvas.picture(SIDE)


def _otto_face() -> NDArray[np.float32]:
    points, _ = coarse()
    points = magnify(points, (3.16, 2.65), 1.8, 1.16, 1.50)
    points = magnify(points, (0, -1.0), 1.7, 1.08, 1.05)
    points = magnify(points, (0, -4.4), 1.5, 1.06, 0.95)
    return bend(points, ((4.6, 4.4), 1.3, (0.1, -0.35, 0)), ((3.6, 5.0), 1.6, (0, -0.25, 0)),
                ((2.6, -4.3), 0.8, (0.2, 0.45, 0)),
                ((5.6, -6.4), 2.4, (-0.15, 0, 0)))


def _wrinkles(canvas: Canvas, points: NDArray[np.float32], skin: Skin) -> None:
    for side in (-1, 1):
        fold = spline([(side * 1.95, -0.9), (side * 2.9, -2.4), (side * 3.35, -4.0), (side * 3.3, -5.0)])
        canvas.multiply(canvas.line(fold, lambda t: 0.30 * np.sin(np.pi * t)**0.7, 0.12), skin.ramp[1], 0.75)
        canvas.screen(canvas.line(moved(fold, side * 0.28, 0), lambda t: 0.3 * np.sin(np.pi * t), 0.15), skin.ramp[3],
                      0.22)
        for k, rise in enumerate((0.55, 0.1, -0.35)):
            crow = spline([(side * 5.05, 2.55 + rise * 0.4), (side * 5.5, 2.55 + rise * 0.8),
                           (side * 6.0, 2.5 + rise * 1.5)])
            canvas.multiply(canvas.line(crow, lambda t: 0.07 * np.sin(np.pi * t), 0.04), skin.ramp[1], 0.7 - 0.1 * k)
        bag = spline([(side * 2.0, 1.45), (side * 3.0, 1.0), (side * 4.2, 1.4)])
        canvas.multiply(canvas.line(bag, lambda t: 0.16 * np.sin(np.pi * t), 0.09), skin.ramp[1], 0.6)
    for y, wide in ((6.3, 3.4), (7.3, 3.9), (8.3, 3.6)):
        line = spline([(-wide, y + 0.1), (-wide / 2, y - 0.08), (0, y + 0.1), (wide / 2, y - 0.05), (wide, y + 0.15)])
        canvas.multiply(canvas.line(line, lambda t: 0.13 * np.sin(np.pi * t), 0.07), skin.ramp[1], 0.42)
        canvas.screen(canvas.line(moved(line, 0, -0.2), lambda t: 0.16 * np.sin(np.pi * t), 0.09), skin.ramp[3], 0.25)


def _jacket(canvas: Canvas, rng: np.random.Generator) -> None:
    shirt = spline([(-5.4, -12.0), (0, -18), (5.4, -12.0), (7, -26), (-7, -26)], 4, closed=True)
    canvas.over(canvas.shape(shirt, 0.03), rgb("#dfe5ea"))
    for side in (-1, 1):
        coat = np.array([(side * x, y) for x, y in
                         spline([(4.9, -11.2), (9.5, -13.4), (15.5, -15.6), (19, -20), (20, -27), (1.2, -27),
                                 (2.2, -21), (5.6, -14.2)], 12, closed=True)])
        _garment(canvas, coat, rgb("#3b4656"), rng)
        weave = 0.5 + 0.5 * np.sin(canvas.x * 26 + np.sin(canvas.y * 9)) * np.sin(canvas.y * 26)
        canvas.screen((weave * canvas.shape(coat)).astype(np.float32), rgb("#8d99a6"), 0.08)
        lapel = np.array([(side * x, y) for x, y in [(5.0, -11.6), (7.9, -13.6), (8.8, -17.2), (6.6, -17.6),
                                                     (7.2, -18.6), (1.6, -26), (2.4, -20)]])
        canvas.multiply(canvas.shape(moved(lapel, 0.15 * side, -0.25), 0.25), (0.3, 0.3, 0.35), 0.5)
        canvas.over(canvas.shape(lapel, 0.02), rgb("#45525f") if side < 0 else rgb("#36404e"))
        collar = np.array([(side * x, y) for x, y in [(4.4, -10.6), (5.6, -12.4), (4.6, -16.6), (0.25, -15.2),
                                                      (3.4, -13.0)]])
        canvas.multiply(canvas.shape(moved(collar, 0.1 * side, -0.3), 0.22), (0.35, 0.38, 0.45), 0.55)
        canvas.over(canvas.shape(collar, 0.03), rgb("#f1f4f6") if side < 0 else rgb("#cfd7de"))


def _grey(across: float, along: float, chance: float) -> Colour:
    base = mix(rgb("#5d5a58"), rgb("#b9b5af"), 0.5 + 0.5 * chance)
    shine = np.exp(-((along - 0.35) / 0.22)**2) * (0.6 + 0.4 * chance)
    return mix(base, rgb("#f4f1ea"), float(np.clip(shine, 0, 1)) * 0.55)


def _otto_hair_back(canvas: Canvas, rng: np.random.Generator) -> None:
    outline = spline([(-7.6, 1.5), (-8.5, 5.0), (-8.2, 9.2), (-5.6, 12.4), (-1, 13.6), (4, 13.2), (7.4, 10.6),
                      (8.6, 6.2), (7.7, 1.5), (0, 4)], closed=True)
    canvas.over(canvas.shape(outline, 0.12), rgb("#6b6764"))


def _otto_hair(canvas: Canvas, rng: np.random.Generator) -> None:
    for side in (-1, 1):
        temple = [[(side * x, y) for x, y in line] for line in (
            [(6.6, 7.6), (7.3, 5.0), (7.5, 2.4), (7.2, 0.6)], [(7.0, 8.6), (7.9, 5.6), (8.0, 3.0), (7.6, 1.6)],
            [(6.9, 9.6), (8.2, 6.8), (8.5, 4.0), (8.1, 2.4)])]
        strands(canvas, temple, 800, _grey, width=0.06, rng=rng, spread=0.14, length=(0.5, 1.0))
    top = [[(-6.2, 8.0), (-7.4, 9.0), (-8.1, 8.2), (-8.3, 6.6)], [(-5.4, 9.0), (-6.3, 11.0), (-7.6, 10.6), (-8.4, 8.6)],
           [(-3.9, 9.7), (-3.4, 12.2), (-5.4, 12.7), (-7.2, 11.2)],
           [(-2.6, 9.9), (-0.6, 12.8), (-1.8, 13.9), (-4.4, 13.0)],
           [(-1.2, 9.9), (1.8, 12.6), (1.4, 14.0), (-0.6, 13.8)], [(0.6, 9.9), (4.0, 12.0), (4.4, 13.2), (3.0, 13.8)],
           [(2.8, 9.7), (5.8, 10.9), (6.8, 11.6), (6.2, 12.4)], [(4.8, 9.0), (7.0, 9.2), (8.0, 9.2), (8.0, 10.2)],
           [(6.2, 8.0), (7.8, 7.6), (8.5, 7.0), (8.5, 8.0)]]
    canvas.multiply(canvas.line(spline([g[0] for g in top]), 0.5, 0.3), rgb("#6e3a2a"), 0.35)
    strands(canvas, top, 3600, _grey, width=0.06, rng=rng, spread=0.15, length=(0.6, 1.0))


def _otto_beard(canvas: Canvas, points: NDArray[np.float32], rng: np.random.Generator) -> None:
    def beard(across: float, along: float, chance: float) -> Colour:
        return mix(rgb("#6a625d"), rgb("#f0ece4"), float(np.clip(0.45 + 0.5 * chance, 0, 1)))

    jaw = np.concatenate([spline([(-7.5, 0.8), (-7.4, -3.0), (-6.5, -6.4), (-3.8, -9.4), (0, -10.5), (3.8, -9.4),
                                  (6.5, -6.4), (7.4, -3.0), (7.5, 0.8)]),
                          spline([(6.6, 0.4), (6.0, -3.4), (4.6, -5.2), (3.0, -5.9), (1.6, -6.6), (0, -6.3),
                                  (-1.6, -6.6), (-3.0, -5.9), (-4.6, -5.2), (-6.0, -3.4), (-6.6, 0.4)])])
    canvas.over(canvas.shape(jaw, 0.16), rgb("#9a8f86"), 0.75)
    rows = [[(-6.9, 1.4), (-7.4, -0.6)], [(-6.6, -1.6), (-7.1, -3.8)], [(-5.7, -3.9), (-6.3, -6.6)],
            [(-4.3, -5.2), (-4.7, -8.6)], [(-2.6, -5.9), (-2.8, -9.8)],
            [(-1.0, -6.4), (-0.9, -10.5)]]
    rows += [[(-x, y) for x, y in row] for row in reversed(rows)]
    for _ in range(2):
        guides = [[a, ((a[0] + b[0]) / 2 + rng.normal(0, 0.2), (a[1] + b[1]) / 2), b] for a, b in rows]
        strands(canvas, guides, 2300, beard, width=0.05, rng=rng, spread=0.24, length=(0.4, 0.95), roots=0.45)
    for side in (-1, 1):
        whiskers = [[(-side * 0.1, -2.45), (side * 0.15, -2.95), (side * 0.25, -3.45)],
                    [(side * 0.9, -2.4), (side * 1.7, -3.0), (side * 2.2, -3.7)],
                    [(side * 1.6, -2.4), (side * 2.7, -3.4), (side * 3.2, -5.0)],
                    [(side * 2.2, -2.7), (side * 3.4, -4.2), (side * 3.6, -6.0)]]
        under = np.concatenate([spline([w[0] for w in whiskers]), spline([w[-1] for w in whiskers])[::-1]])
        canvas.over(canvas.shape(under, 0.16), rgb("#9a8f86"), 0.75)
        strands(canvas, whiskers, 1000, beard, width=0.05, rng=rng, spread=0.13, length=(0.5, 1.0))
    soul = [[(x, -5.7), (x * 0.8, -7.0)] for x in (-0.8, -0.4, 0, 0.4, 0.8)]
    strands(canvas, [[a, ((a[0] + b[0]) / 2, (a[1] + b[1]) / 2), b] for a, b in soul], 260, beard, width=0.05, rng=rng,
            spread=0.2, length=(0.5, 1.0), roots=0.5)
    shape = canvas.shape(jaw, 0.1)
    canvas.multiply(canvas.spot((5, -8), (3.6, 4.2)) * shape, rgb("#7d7880"), 0.6)
    canvas.multiply(canvas.spot((0, -10.8), (5, 1.0)) * shape, rgb("#7d7880"), 0.6)
    canvas.screen(canvas.spot((-4.2, -6.2), (1.6, 1.6)) * shape, (1, 1, 0.97), 0.22)


def _glasses(canvas: Canvas, points: NDArray[np.float32]) -> None:
    turn = np.linspace(0, 2 * np.pi, 96, endpoint=False)
    frame, light = rgb("#2d2420"), rgb("#c9a271")
    for side in (-1, 1):
        rim = np.stack([side * 3.45 + 2.35 * np.cos(turn), 2.35 + 2.1 * np.sin(turn)], axis=1)
        closed = np.concatenate([rim, rim[:2]])
        canvas.multiply(canvas.line(moved(closed, 0.25, -0.35), 0.28, 0.14), rgb("#6e3a2a"), 0.4)
        lens = canvas.shape(rim, 0.02)
        sheen = canvas.shape(np.array([(side * 3.45 - 2.2, 4.2), (side * 3.45 - 0.9, 4.6), (side * 3.45 - 1.8, 0.4),
                                       (side * 3.45 - 2.6, 1.2)]), 0.25)
        canvas.screen(sheen * lens, (0.9, 0.95, 1.0), 0.16)
        canvas.over(canvas.line(closed, 0.24, 0.015), frame)
        canvas.screen(canvas.line(moved(rim[30:58], 0.02, 0.03), 0.06, 0.02), light, 0.8)
    bridge = spline([(-1.15, 2.75), (0, 3.2), (1.15, 2.75)])
    canvas.multiply(canvas.line(moved(bridge, 0.15, -0.3), 0.24, 0.12), rgb("#6e3a2a"), 0.4)
    canvas.over(canvas.line(bridge, 0.24, 0.015), frame)
    canvas.screen(canvas.line(moved(bridge, 0, 0.04), lambda t: 0.07 * np.sin(np.pi * t), 0.02), light, 0.8)
