"""Each feature is painted at the landmarks it belongs to, and the skin follows the light."""

import numpy as np
import pytest

from limner.models.face.canonical import OVAL, coarse
from limner.models.training import features
from limner.models.training.features import Eye, Skin
from limner.models.training.paint import Canvas, rgb, spline

SKIN = Skin((rgb("#4b231a"), rgb("#8a4a34"), rgb("#bb7a58"), rgb("#e9b993")), rgb("#6f8fa3"), rgb("#c9654f"), 0.7)


@pytest.fixture
def head() -> tuple[Canvas, np.ndarray]:
    """A canvas with the canonical face's skin on a blue wall."""
    canvas = Canvas(320, 12.0, (0.5, 0.5))
    canvas.backdrop(np.full((320, 320, 3), (0.1, 0.2, 0.9), np.float32))
    points, _ = coarse()
    features.face(canvas, points, spline(points[list(OVAL), :2], closed=True), SKIN)
    return canvas, points


def at(canvas: Canvas, place) -> np.ndarray:
    """The colour at a place in cm."""
    x, y = np.rint(canvas.to_px([place])[0]).astype(int)
    return canvas.pixels[y, x]


def changed(canvas: Canvas, before: np.ndarray) -> np.ndarray:
    """Centre in cm of what was painted since `before`."""
    weight = np.abs(canvas.pixels - before).sum(2)
    return np.array([(weight * canvas.x).sum(), (weight * canvas.y).sum()]) / weight.sum()


def test_skin_follows_its_ramp():
    light = np.float32([[0, 0.38, 0.7, 1]])
    np.testing.assert_allclose(features.tone(SKIN, light)[0], SKIN.ramp, atol=1e-6)


def test_the_face_is_lit_from_the_left_of_the_picture(head):
    canvas, _ = head
    assert at(canvas, (-4, 4)).sum() > at(canvas, (6, 4)).sum()
    np.testing.assert_allclose(canvas.pixels[2, 2], (0.1, 0.2, 0.9), atol=1e-6)
    assert canvas.cover[160, 160] == pytest.approx(1) and canvas.cover[2, 2] == 0


@pytest.mark.parametrize(("paint", "place", "reach"), [
    (lambda c, p: features.lips(c, p, rgb("#b4524d"), SKIN), (0, -4.5), 0.6),
    (lambda c, p: features.nose(c, p, SKIN), (0, -1.5), 0.8),
    (lambda c, p: features.brows(c, p, rgb("#20120e"), 60, 1.0, np.random.default_rng(0)), (0, 4.6), 1.0),
    (lambda c, p: features.eyes(c, p, Eye(rgb("#5b3218"), rgb("#1d0f0a"), rgb("#170d0c"), lashes=6), SKIN,
                                np.random.default_rng(0)), (0, 2.7), 0.6),
    (lambda c, p: features.socket(c, p, SKIN, 1.0), (0, 3.0), 1.0),
], ids=["lips", "nose", "brows", "eyes", "sockets"])
def test_features_lie_in_their_places(head, paint, place, reach):
    canvas, points = head
    before = canvas.pixels.copy()
    paint(canvas, points)
    assert np.linalg.norm(changed(canvas, before) - place) < reach          # cm; the two sides nearly balance, the lit one shows more
    assert np.isfinite(canvas.pixels).all() and canvas.pixels.min() >= 0


def test_pupils_are_dark_and_the_white_is_light(head):
    canvas, points = head
    features.eyes(canvas, points, Eye(rgb("#587a8c"), rgb("#22343f"), rgb("#3a2a24")), SKIN, np.random.default_rng(0))
    for side in (-1, 1):
        assert at(canvas, (side * 3.1, 2.66)).max() < 0.45
        assert at(canvas, (side * 2.35, 2.62)).min() > 0.35


@pytest.mark.parametrize("side", [-1, 1])
def test_an_ear_is_on_its_side(side):
    canvas = Canvas(320, 12.0, (0.5, 0.5))
    features.ear(canvas, side, (7.5, 0.6), SKIN)
    assert changed(canvas, np.zeros_like(canvas.pixels))[0] * side == pytest.approx(7.8, abs=0.6)


def test_the_neck_is_darkest_under_the_chin():
    canvas = Canvas(320, 9.0, (0.5, 0.3))
    features.neck(canvas, 3.5, -18.5, -8.6, SKIN)
    assert at(canvas, (0, -9)).sum() < at(canvas, (0, -13)).sum()
