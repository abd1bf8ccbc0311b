"""The paint box: shapes where they were asked for, paint that adds up, hair that is the same every time."""

import numpy as np
import pytest

from limner.models.training.paint import Canvas, mix, moved, rgb, ribbon, spline, strands

SQUARE = np.array([(-2.0, -1.0), (2.0, -1.0), (2.0, 1.0), (-2.0, 1.0)])


@pytest.fixture
def canvas() -> Canvas:
    return Canvas(200, 10.0, (0.5, 0.5))               # 20 x 20 cm, 10 px per cm


def test_a_shape_has_its_area_and_place(canvas):
    mask = canvas.shape(SQUARE)
    assert mask.sum() / 100 == pytest.approx(8, rel=0.12)                # cm^2; OpenCV fills the edge's pixels too
    assert mask[100, 100] == 1 and mask[100, 70] == 0 and mask[85, 100] == 0
    upper = canvas.shape(moved(SQUARE, 0, 5))
    assert upper[50, 100] == 1                         # y goes up


def test_a_soft_edge_keeps_the_area(canvas):
    assert canvas.shape(SQUARE, 0.3).sum() == pytest.approx(canvas.shape(SQUARE).sum(), rel=0.02)


def test_shapes_off_the_canvas_do_no_harm(canvas):
    for dx, dy in ((50, 0), (0, -50), (9, 9)):
        mask = canvas.shape(moved(SQUARE, dx, dy), 0.2)
        assert mask.shape == (200, 200) and np.isfinite(mask).all()
        canvas.over(mask, (1, 0, 0))
    assert canvas.pixels.max() <= 1


def test_a_spot_is_a_turned_gaussian(canvas):
    spot = canvas.spot((1, 2), (2, 0.5), np.pi / 2)
    assert spot[80, 110] == pytest.approx(1, abs=1e-3)
    assert spot[60, 110] == pytest.approx(np.exp(-0.5), abs=1e-2)        # one deviation of 2 cm, now upwards
    assert spot[80, 130] < 1e-3                        # four deviations of 0.5 cm sideways


def test_paint_glaze_and_light(canvas):
    mask = canvas.shape(SQUARE)
    canvas.over(mask, (0.5, 0.5, 0.5), 0.5)
    assert canvas.pixels[100, 100] == pytest.approx([0.25] * 3) and canvas.cover[100, 100] == pytest.approx(0.5)
    canvas.multiply(mask, (0.5, 1, 1))
    assert canvas.pixels[100, 100] == pytest.approx([0.125, 0.25, 0.25])
    canvas.screen(mask, (1, 0, 0), 0.5)
    assert canvas.pixels[100, 100] == pytest.approx([0.5625, 0.25, 0.25])
    assert (canvas.pixels[0, 0] == 0).all()
    canvas.over(np.zeros_like(mask), (1, 1, 1))
    assert canvas.picture(100).shape == (100, 100, 4)


def test_a_backdrop_covers_nothing(canvas):
    canvas.over(canvas.shape(SQUARE), (1, 1, 1))
    canvas.backdrop(np.full((200, 200, 3), 0.25, np.float32))
    assert canvas.cover.max() == 0 and (canvas.picture(50)[..., :3] == 64).all()


def test_splines_pass_through_their_points():
    points = np.array([(0, 0), (1, 2), (3, 1), (4, 4)], float)
    curve = spline(points, 10)
    for point in points:
        assert np.linalg.norm(curve - point, axis=1).min() < 1e-9
    closed = spline(points, 10, closed=True)
    assert np.linalg.norm(closed[0] - closed[-1]) < 0.5


def test_a_ribbon_is_as_wide_as_asked():
    line = np.stack([np.linspace(0, 10, 50), np.zeros(50)], axis=1)
    outline = ribbon(line, lambda t: 1 - t)
    assert outline[0, 1] - outline[-1, 1] == pytest.approx(1) and abs(outline[49, 1] - outline[50, 1]) < 1e-9


def test_hair_is_the_same_every_time_and_counts_as_cover():
    def comb() -> Canvas:
        canvas = Canvas(200, 10.0, (0.5, 0.5))
        guides = [[(-4, 5), (-5, 0), (-4, -5)], [(4, 5), (5, 0), (4, -5)]]
        strands(canvas, guides, 80, lambda a, t, c: mix(rgb("#ff0000"), rgb("#00ff00"), t), width=0.2,
                rng=np.random.default_rng(1))
        return canvas

    first = comb()
    np.testing.assert_array_equal(first.pixels, comb().pixels)
    np.testing.assert_array_equal(first.cover > 0, first.pixels.max(2) > 0)
    assert first.pixels[60, 60:140, 0].mean() > first.pixels[140, 60:140, 0].mean()      # red roots, green tips
