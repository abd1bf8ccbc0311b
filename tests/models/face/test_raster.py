import numpy as np

from limner.models.face.raster import FRACTION, GAIN_ONE, draw_map


def _draw(px: np.ndarray, texture: np.ndarray, triangles: list, shade: np.ndarray | None = None, side: int = 40):
    whole, fraction = np.full((side, side, 2), -1, np.int16), np.zeros((side, side), np.uint16)
    gain = np.zeros((side, side), np.uint16)
    shade = np.ones(len(px), np.float32) if shade is None else shade
    px, texture = px.astype(np.float32), texture.astype(np.float32)
    draw_map(px, texture, shade, np.array(triangles, np.int32), whole, fraction, gain)
    u = whole[..., 0] + (fraction & 31) / FRACTION
    v = whole[..., 1] + (fraction >> 5) / FRACTION
    return u, v, gain


def test_map_is_affine_within_a_triangle():
    px = np.array([[-5, -5], [90, -5], [-5, 90]])
    u, v, gain = _draw(px, px * 2 + 3, [[0, 1, 2]])
    y, x = np.mgrid[:40, :40]
    assert np.abs(u - (2 * x + 3)).max() <= 0.5 / FRACTION + 1e-3
    assert np.abs(v - (2 * y + 3)).max() <= 0.5 / FRACTION + 1e-3
    assert (gain == GAIN_ONE).all()


def test_shared_edges_leave_no_gap():
    rng = np.random.default_rng(3)
    for _ in range(200):                         # a random point inside a square, fanned out to its corners
        corners = np.array([[-1, -1], [41, -1], [41, 41], [-1, 41]], float)
        px = np.concatenate([corners, rng.uniform(5, 35, (1, 2))])
        u, _, _ = _draw(px, px, [[0, 1, 4], [1, 2, 4], [2, 3, 4], [3, 0, 4]])
        assert (u > -1).all()


def test_shade_is_interpolated():
    px = np.array([[0, 0], [80, 0], [0, 80]], float)
    _, _, gain = _draw(px, px, [[0, 1, 2]], np.array([1, 0.5, 1], np.float32))
    assert abs(gain[0, 39] / GAIN_ONE - (1 - 0.5 * 39 / 80)) < 1e-3


def test_triangles_outside_or_without_area_draw_nothing():
    px = np.array([[-9, -9], [-1, -9], [-5, -1], [10, 10], [20, 20], [30, 30]], float)
    u, _, _ = _draw(px, px, [[0, 1, 2], [3, 4, 5]])
    assert (u == -1).all()
