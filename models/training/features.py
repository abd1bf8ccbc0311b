"""What makes a relief a person: skin, eyes, brows, nose, lips, ears, neck, drawn at the places of the 468 points."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from limner.models.face.canonical import (
    INNER_LOWER,
    INNER_UPPER,
    LEFT_LOWER,
    LEFT_UPPER,
    OUTER_LOWER,
    OUTER_UPPER,
    RIGHT_LOWER,
    RIGHT_UPPER,
)

from .paint import Canvas, Colour, Curve, Mask, mix, moved, rgb, ribbon, spline
from .sculpt import gloss, lambert, relief

KEY, FILL, RIM = (-0.55, 0.55, 0.75), (0.9, 0.05, 0.35), (0.95, 0.35, -0.15)      # directions of the three lights
_BROWS = ((70, 63, 105, 66, 107), (46, 53, 52, 65, 55)), ((300, 293, 334, 296, 336), (276, 283, 282, 295, 285))


@dataclass(frozen=True, slots=True)
class Skin:
    """A tone from deep shadow to full light, the tint of reflected light, of blood, and how much it shines."""

    ramp: tuple[Colour, Colour, Colour, Colour]
    bounce: Colour
    blush: Colour
    shine: float


def tone(skin: Skin, light: Mask) -> NDArray[np.float32]:
    """Colour [S, S, 3] of skin under `light` [S, S] in [0, 1]."""
    stops = (0.0, 0.38, 0.7, 1.0)
    return np.stack([np.interp(light, stops, [c[k] for c in skin.ramp]) for k in range(3)], axis=-1).astype(np.float32)


def lit(normals: NDArray[np.float32], skin: Skin) -> NDArray[np.float32]:
    """Skin [S, S, 3] under the three lights."""
    light = 0.06 + 0.86 * lambert(normals, KEY, 0.32) + 0.10 * lambert(normals, FILL, 0.2)
    colour = tone(skin, light)
    edge = np.clip(1 - normals[..., 2], 0, 1)**2.2 * lambert(normals, RIM, 0.1)
    colour += edge[..., None] * np.asarray(skin.bounce, np.float32) * 0.55
    shine = gloss(normals, KEY, 18) * 0.16 + gloss(normals, KEY, 70) * 0.22
    return colour + (1 - colour) * (skin.shine * shine)[..., None] * np.float32([1.0, 0.96, 0.9])


def face(canvas: Canvas, points: NDArray[np.float32], outline: Curve, skin: Skin) -> None:
    """The head's skin inside `outline`; the relief's rim goes on smoothly to it."""
    shaded = relief(canvas, points, 0.16)
    head = canvas.shape(outline, 0.02)
    canvas.over(head, lit(shaded.normals, skin))
    for x in (-4.6, 4.6):
        canvas.multiply(canvas.spot((x, -1.2), (1.7, 1.25), 0.3 * np.sign(x)) * head, skin.blush, 0.26)
    canvas.multiply(canvas.spot((0, -1.2), (1.1, 0.8)) * head, skin.blush, 0.22)
    canvas.multiply(canvas.spot((0, -8.9), (1.3, 0.7)) * head, skin.blush, 0.15)


def socket(canvas: Canvas, points: NDArray[np.float32], skin: Skin, depth: float) -> None:
    """The shade between brow and eye, and the faint one below."""
    for side in (-1, 1):
        x, y = side * abs(points[159, 0] + points[145, 0]) / 2, (points[159, 1] + points[145, 1]) / 2
        canvas.multiply(canvas.spot((x - side * 0.9, y + 0.75), (1.25, 0.5), side * 0.1), skin.ramp[1], 0.5 * depth)
        canvas.multiply(canvas.spot((x, y + 0.45), (1.7, 0.42)), skin.ramp[1], 0.5 * depth)
        canvas.multiply(canvas.spot((x - side * 0.2, y - 1.0), (1.1, 0.28), side * 0.12), skin.ramp[1], 0.28 * depth)


@dataclass(frozen=True, slots=True)
class Eye:
    """Colours and sizes (cm) of an eye."""

    iris: Colour
    rim: Colour
    lash: Colour
    radius: float = 0.66
    liner: float = 0.15
    lashes: int = 0


def eyes(canvas: Canvas, points: NDArray[np.float32], eye: Eye, skin: Skin, rng: np.random.Generator) -> None:
    """Both eyes, looking at the viewer."""
    for side, upper, lower in ((-1, RIGHT_UPPER, RIGHT_LOWER), (1, LEFT_UPPER, LEFT_LOWER)):
        top, bottom = spline(points[list(upper), :2]), spline(points[list(lower), :2])
        _eye(canvas, top, bottom, side, eye, skin)
        _lids(canvas, top, bottom, side, eye, skin, rng)


def _eye(canvas: Canvas, top: Curve, bottom: Curve, side: int, eye: Eye, skin: Skin) -> None:
    opening = canvas.shape(np.concatenate([top, bottom[::-1]]), 0.012)
    x = (top[:, 0].mean() + bottom[:, 0].mean()) / 2 - side * 0.06
    y = (top[:, 1].max() + bottom[:, 1].min()) / 2 + 0.03
    ball = np.clip(1 - 0.22 * ((canvas.x - x)**2 + (canvas.y - y)**2), 0, 1)[..., None]
    canvas.over(opening, np.float32(rgb("#efe6df")) * (0.74 + 0.26 * ball))
    inner = np.argmin(np.abs(top[:, 0]))
    canvas.over(canvas.spot(tuple(moved(top[inner], side * 0.12, 0)), (0.16, 0.12)) * opening, rgb("#c98377"), 0.8)
    distance = np.hypot(canvas.x - x, canvas.y - y)
    turn = np.arctan2(canvas.y - y, canvas.x - x)
    fibres = 0.5 + 0.25 * np.sin(turn * 37) + 0.15 * np.sin(turn * 61 + 1.3)
    disc = np.clip((eye.radius - distance) * canvas.scale / 2 + 0.5, 0, 1) * opening
    canvas.over(disc.astype(np.float32), eye.iris)
    canvas.over((disc * fibres * np.clip(distance / eye.radius, 0, 1)).astype(np.float32),
                mix(eye.iris, (1, 0.9, 0.7), 0.25), 0.45)
    glow = canvas.spot((x + 0.16, y - 0.26), (0.30, 0.20)) * disc
    canvas.screen(glow.astype(np.float32), mix(eye.iris, (1.0, 0.85, 0.6), 0.6), 0.6)
    rim = np.exp(-0.5 * ((distance - eye.radius * 0.97) / 0.07)**2) * opening
    canvas.over(rim.astype(np.float32), eye.rim, 0.85)
    pupil = np.clip((eye.radius * 0.42 - distance) * canvas.scale / 3 + 0.5, 0, 1) * opening
    canvas.over(pupil.astype(np.float32), (0.03, 0.025, 0.03))
    shade = canvas.line(moved(top, 0, -0.06), 0.34, 0.11) * opening
    canvas.multiply(shade, skin.ramp[0], 0.85)
    canvas.over(canvas.spot((x - 0.20, y + 0.17), (0.10, 0.09)) * opening, (1, 1, 1), 1.0)
    canvas.over(canvas.spot((x + 0.24, y - 0.22), (0.06, 0.05)) * opening, (1, 1, 1), 0.45)


def _lids(canvas: Canvas, top: Curve, bottom: Curve, side: int, eye: Eye, skin: Skin, rng: np.random.Generator) -> None:
    outward = (lambda t: t) if side > 0 else (lambda t: 1 - t)
    crease = moved(top, 0, 0.36) + np.outer(np.sin(np.linspace(0, np.pi, len(top))), [0, 0.16])
    canvas.multiply(canvas.line(crease, lambda t: 0.16 * np.sin(np.pi * t)**0.5, 0.05), skin.ramp[0], 0.55)
    lid = canvas.line((top + crease) / 2, lambda t: 0.2 * np.sin(np.pi * t), 0.08)
    canvas.screen(lid, skin.ramp[3], 0.22)
    tip = moved(top[-1:] if side > 0 else top[:1], side * 0.16, 0.06)
    tail = np.concatenate([top, tip] if side > 0 else [tip, top])
    liner = canvas.line(tail, lambda t: eye.liner * (0.25 + 0.75 * outward(t)**0.6) * min(1, 8 * t, 8 * (1 - t)), 0.018)
    canvas.over(liner, eye.lash)
    canvas.over(canvas.line(moved(bottom, 0, -0.02), lambda t: 0.05 * outward(t) + 0.012, 0.02),
                mix(eye.lash, skin.ramp[1], 0.5), 0.8)
    canvas.screen(canvas.line(moved(bottom, 0, 0.05), 0.05, 0.02), rgb("#e8b0a0"), 0.5)
    hairs = []
    for k in range(eye.lashes):
        share = (0.5 + 0.5 * k / max(1, eye.lashes - 1)) + rng.normal(0, 0.012)
        t = float(np.clip(share if side > 0 else 1 - share, 0, 1))
        root = top[round(t * (len(top) - 1))]
        lean = side * (0.02 + 0.42 * outward(t)**2)
        tip = moved(root, lean * rng.uniform(0.85, 1.1), 0.20 * rng.uniform(0.7, 1.2))
        hairs.append(ribbon(spline([root, moved(root, lean * 0.7, 0.07), tip], 8), lambda s: 0.06 * (1 - s) + 0.006))
    if hairs:
        canvas.over(canvas.blur(canvas.lines(hairs), 0.012), eye.lash, 0.8)


def brows(canvas: Canvas, points: NDArray[np.float32], colour: Colour, count: int, weight: float,
          rng: np.random.Generator) -> None:
    """Hair by hair, lying along the brow and rising at its inner end."""
    for side, (upper, lower) in zip((-1, 1), _BROWS, strict=True):
        a, b = spline(points[list(upper), :2]), spline(points[list(lower), :2])
        a, b = a[::-1], b[::-1]                                         # now from the inner end outward
        middle = a * 0.35 + b * 0.65
        body = canvas.line(middle[5:], lambda t: 0.5 * weight * (1 - 0.75 * t**1.5) * min(1, 3 * t + 0.35), 0.12)
        canvas.over(body, colour, 0.55)
        dark, light = [], []
        for _ in range(count):
            t = rng.uniform(0, 1)**1.15
            i = round(t * (len(middle) - 4))
            way = middle[i + 3] - middle[i]
            way /= np.linalg.norm(way)
            across = rng.uniform(-0.5, 0.5) * (1 - 0.75 * t**1.5)
            root = middle[i] + np.array([-way[1], way[0]]) * side * across * 0.55 * weight
            rise = np.array([0, 1]) * (0.55 * (1 - t)**2 - 0.35 * across)
            tip = root + (way * (0.6 + 0.5 * t) + rise) * rng.uniform(0.35, 0.6) * (0.8 + 0.3 * weight)
            hair = ribbon(spline([root, moved((root + tip) / 2, 0, 0.03), tip], 5), lambda s: 0.05 * (1 - s) + 0.01)
            (light if rng.random() < 0.25 else dark).append(hair)
        start = np.clip(np.abs(canvas.x - middle[0, 0]) / 1.1 + 0.25, 0, 1)             # thinner towards the nose
        canvas.over(canvas.blur(canvas.lines(dark), 0.012) * start, colour, 0.6)
        canvas.over(canvas.blur(canvas.lines(light), 0.012) * start, mix(colour, (1, 0.95, 0.9), 0.16), 0.5)


def nose(canvas: Canvas, points: NDArray[np.float32], skin: Skin) -> None:
    """Nostrils, wings, and the light on the tip."""
    tip = points[4, :2]
    base = points[2, :2]
    for side, wing in ((-1, 64), (1, 294)):
        x, y = points[wing, :2]
        hole = np.array([base[0] * 0.5 + x * 0.52, base[1] * 0.55 + y * 0.45 + 0.05])
        canvas.multiply(canvas.spot(tuple(hole), (0.40, 0.17), side * 0.35), skin.ramp[0], 0.75)
        canvas.over(canvas.spot(tuple(hole), (0.23, 0.085), side * 0.35), mix(skin.ramp[0], (0, 0, 0), 0.45), 0.85)
        crease = spline([(x + side * 0.02, y + 0.75), (x + side * 0.20, y + 0.25), (x + side * 0.10, y - 0.28)])
        canvas.multiply(canvas.line(crease, lambda t: 0.16 * np.sin(np.pi * t), 0.07), skin.ramp[0], 0.5)
    canvas.multiply(canvas.spot((base[0], base[1] - 0.25), (0.9, 0.22)), skin.ramp[1], 0.4)
    canvas.screen(canvas.spot((tip[0] - 0.28, tip[1] + 0.15), (0.22, 0.20)), (1, 0.97, 0.92), 0.30 * skin.shine)


def lips(canvas: Canvas, points: NDArray[np.float32], colour: Colour, skin: Skin, strength: float = 0.8) -> None:
    """Lips with their own light, and the shade in and under them."""
    outer_top, outer_low = spline(points[list(OUTER_UPPER), :2]), spline(points[list(OUTER_LOWER), :2])
    seam = spline((points[list(INNER_UPPER), :2] + points[list(INNER_LOWER), :2]) / 2)
    seam = np.concatenate([outer_top[:1], seam, outer_top[-1:]])
    whole = canvas.shape(np.concatenate([outer_top, outer_low[::-1]]), 0.05)
    upper = canvas.shape(np.concatenate([outer_top, seam[::-1]]), 0.05)
    canvas.multiply(canvas.spot((0, outer_low[:, 1].min() - 0.42), (1.25, 0.26)), skin.ramp[1], 0.6)
    canvas.over(whole, colour, strength)
    canvas.multiply(upper, mix(colour, (0, 0, 0), 0.35), 0.26)
    canvas.screen(canvas.spot((-0.5, (seam[:, 1].mean() + outer_top[:, 1].max()) / 2 + 0.1), (0.6, 0.10)) * upper,
                  (1, 0.9, 0.86), 0.22)
    low = outer_low[:, 1].min()
    middle = (seam[:, 1].mean() + low) / 2
    canvas.screen(canvas.spot((-0.35, middle + 0.03), (0.75, 0.15)) * whole, (1, 0.92, 0.88), 0.42)
    canvas.screen(canvas.spot((-0.15, outer_top[:, 1].max() + 0.04), (0.55, 0.07)), skin.ramp[3], 0.35)
    canvas.multiply(canvas.line(seam, lambda t: 0.13 * np.sin(np.pi * t)**0.4, 0.05), mix(colour, (0, 0, 0), 0.75), 0.95)
    for end, side in ((seam[0], -1), (seam[-1], 1)):
        canvas.multiply(canvas.spot((end[0] + side * 0.08, end[1]), (0.16, 0.13)), skin.ramp[0], 0.4)


def neck(canvas: Canvas, width: float, bottom: float, chin: float, skin: Skin) -> None:
    """A cylinder from the jaw down to `bottom`, in the chin's shadow, with its two cords."""
    outline = spline([(-width, chin + 4), (-width * 0.98, chin - 1), (-width * 1.08, bottom + 3),
                      (-width * 1.9, bottom),
                      (width * 1.9, bottom), (width * 1.08, bottom + 3), (width * 0.98, chin - 1), (width, chin + 4)])
    u = np.clip(canvas.x / (width * 1.6), -0.98, 0.98)
    normals = np.stack([u, np.full_like(u, 0.12), np.sqrt(1 - u**2)], axis=-1)
    canvas.over(canvas.shape(outline, 0.03), lit(normals / np.linalg.norm(normals, axis=2, keepdims=True), skin))
    inside = canvas.shape(outline, 0.03)
    canvas.multiply(canvas.spot((0.6, chin + 0.4), (width * 1.05, 1.9)) * inside, skin.ramp[1], 0.95)
    canvas.multiply(canvas.spot((0.9, chin + 0.9), (width * 0.95, 1.3)) * inside, skin.ramp[0], 0.75)
    for side in (-1, 1):
        cord = spline([(side * width * 0.85, chin - 0.5), (side * width * 0.55, bottom + 3.2),
                       (side * 0.9, bottom + 1)])
        canvas.multiply(canvas.line(cord, 0.5, 0.35) * inside, skin.ramp[1], 0.3)


def ear(canvas: Canvas, side: int, centre: tuple[float, float], skin: Skin, size: float = 1.0) -> None:
    """An ear seen from the front."""
    def at(*places: tuple[float, float]) -> list[tuple[float, float]]:
        return [(side * (centre[0] + x * size), centre[1] + y * size) for x, y in places]

    outline = spline(at((-0.5, 2.2), (0.35, 2.9), (1.15, 2.4), (1.25, 1.0), (0.85, -0.6), (0.45, -1.9), (-0.2, -2.3),
                        (-0.7, -1.6)), closed=True)
    shape = canvas.shape(outline, 0.03)
    u = np.clip((canvas.x * side - centre[0]) / (1.5 * size), -0.9, 0.9) * side
    normals = np.stack([u, np.zeros_like(u), np.sqrt(1 - u**2)], axis=-1)
    canvas.over(shape, lit(normals, skin))
    canvas.multiply(shape, skin.blush, 0.5)
    hollow = spline(at((-0.1, 1.7), (0.45, 1.9), (0.7, 1.0), (0.4, -0.3), (0.0, -0.8), (-0.3, 0.2)), closed=True)
    canvas.multiply(canvas.shape(hollow, 0.14) * shape, skin.ramp[1], 0.85)
    rim = spline(at((-0.1, 2.2), (0.5, 2.45), (0.93, 1.9), (0.95, 0.8), (0.62, -0.6)))
    canvas.screen(canvas.line(rim, 0.16, 0.06), skin.ramp[3], 0.4)
    canvas.multiply(canvas.line(spline(at((-0.45, 2.1), (-0.62, 0.2), (-0.6, -1.6))), 0.5, 0.2) * shape, skin.ramp[0],
                    0.6)
