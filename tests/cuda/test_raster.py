"""`raster`: the kernels' own source against their twin, and both against the drawing of the embedded face."""

import numpy as np
import pytest

from limner.cuda import kernels, reference
from limner.models.face.canonical import coarse
from limner.models.face.raster import FRACTION, GAIN_ONE, draw_map

SIDE = 96


def mesh(rng, across=9, bend=3.0):
    """A bent grid of triangles in any order, some folded over others, with a few thrown in that lie anywhere."""
    y, x = np.mgrid[:across, :across]
    rest = np.stack([x, y], -1).reshape(-1, 2) * (SIDE + 20) / (across - 1) - 10
    px = (rest + rng.normal(0, bend, rest.shape)).astype(np.float32)
    corner = (y[:-1, :-1] * across + x[:-1, :-1]).ravel()
    grid = np.concatenate([np.stack([corner, corner + 1, corner + across], 1),
                           np.stack([corner + 1, corner + across + 1, corner + across], 1)])
    loose = rng.integers(0, len(px), (12, 3))
    triangles = np.concatenate([grid, loose])[rng.permutation(len(grid) + 12)].astype(np.int32)
    texture = (rest * 2 + rng.normal(0, 2, rest.shape)).astype(np.float32)
    return px, texture, rng.uniform(0.7, 1.3, len(px)).astype(np.float32), triangles


def canvas():
    return (np.full((SIDE, SIDE, 2), -7, np.int16), np.full((SIDE, SIDE), 9, np.uint16), np.full((SIDE, SIDE), 5, np.uint16))


def on_twin(given):
    out, owner = canvas(), np.zeros((SIDE, SIDE), np.int32)
    reference.raster(*given, *out, owner)
    assert not owner.any()
    return out


def on_kernels(put, given):
    out, owner = [put(a) for a in canvas()], put(np.zeros((SIDE, SIDE), np.int32))
    kernels.raster(*(put(a) for a in given), *out, owner)
    assert not owner.any()
    return out


def on_face(given):
    out = canvas()
    px, texture, shade, triangles = given
    draw_map(px, texture, shade, triangles, *out)
    return out


def places(drawn):
    """Texture places in 1/32 px [H, W, 2] and brightness in 1/4096 [H, W]."""
    whole, fraction, gain = drawn
    return whole.astype(int) * 32 + np.stack([fraction & 31, fraction >> 5], -1).astype(int), gain.astype(int)


def check(got, want, edge):
    """Equal to a step of 1/32 px and of 1/4096, but for a share `edge` of pixels that lie on an edge within rounding.

    Steps themselves are rare: only where a value lies within float32's rounding of the next one.
    """
    got, want = places(got), places(want)
    assert (got[0] == want[0]).mean() > 0.99 and (got[1] == want[1]).mean() > 0.98
    apart = (np.abs(got[0] - want[0]).max(-1) > 1) | (np.abs(got[1] - want[1]) > 1)
    assert apart.mean() <= edge, f"{apart.sum()} pixels differ"
    return int(apart.sum())


def test_kernels_equal_their_twin(put):
    rng = np.random.default_rng(1)
    differing = 0
    for _ in range(40):
        given = mesh(rng, int(rng.integers(3, 12)), rng.uniform(0, 8))
        # Edges are cut with a fused product on one side: a pixel within 1e-5 px of one may go to its neighbour.
        differing += check(on_kernels(put, given), on_twin(given), 1e-3)
    assert differing <= 40 * SIDE * SIDE * 1e-4


def test_twin_equals_the_embedded_face():
    rng = np.random.default_rng(2)
    for _ in range(40):
        given = mesh(rng, int(rng.integers(3, 12)), rng.uniform(0, 8))
        # The face walks rows in float64 sums: pixels on an edge within 1e-5 px, and thin triangles' gradients.
        check(on_twin(given), on_face(given), 2e-3)


def test_kernels_equal_the_drawing_of_a_real_mesh(put):
    """The shipped geometry, projected: 468 vertices, 898 triangles."""
    vertices, triangles = coarse()
    points = vertices[:, :2] * np.float32([1, -1])
    low, high = points.min(0), points.max(0)
    px = ((points - low) / (high - low).max() * (SIDE - 6) + 3).astype(np.float32)
    shade = np.linspace(0.8, 1.2, len(px), dtype=np.float32)
    given = px, px * 2, shade, np.ascontiguousarray(triangles, np.int32)
    drawn = on_kernels(put, given)
    check(drawn, on_face(given), 2e-3)
    assert (drawn[0] != -7).any(-1).mean() > 0.3


def test_map_is_affine_within_a_triangle(put):
    px = np.float32([[-5, -5], [220, -5], [-5, 220]])
    given = px, px * 2 + 3, np.ones(3, np.float32), np.int32([[0, 1, 2]])
    at, gain = places(on_kernels(put, given))
    y, x = np.mgrid[:SIDE, :SIDE]
    # Half a step of rounding, and float32 at 200 px.
    assert np.abs(at / FRACTION - (np.stack([x, y], -1) * 2 + 3)).max() <= 0.5 / FRACTION + 1e-3
    assert np.abs(gain - GAIN_ONE).max() <= 1                        # truncated: 4095.9995 is 4095


def test_shared_edges_leave_no_gap(put):
    rng = np.random.default_rng(3)
    for _ in range(30):
        corners = np.array([[-1, -1], [SIDE + 1, -1], [SIDE + 1, SIDE + 1], [-1, SIDE + 1]], float)
        px = np.concatenate([corners, rng.uniform(5, SIDE - 5, (1, 2))]).astype(np.float32)
        given = px, px, np.ones(5, np.float32), np.int32([[0, 1, 4], [1, 2, 4], [2, 3, 4], [3, 0, 4]])
        for drawn in (on_kernels(put, given), on_twin(given)):
            assert (drawn[0] > -7).all()


def test_later_triangles_cover_earlier_ones(put):
    px = np.float32([[-9, -9], [300, -9], [-9, 300]] * 2)
    texture = np.float32([[10, 10]] * 3 + [[20, 20]] * 3)
    shade = np.ones(6, np.float32)
    for order, want in (([0, 1], 20), ([1, 0], 10)):
        triangles = np.int32([[0, 1, 2], [3, 4, 5]])[order]
        assert (on_kernels(put, (px, texture, shade, triangles))[0] == want).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e30])
def test_vertices_that_are_not_sane_draw_only_inside(put, bad):
    px, texture, shade, triangles = mesh(np.random.default_rng(4))
    px[10] = bad
    drawn = on_kernels(put, (px, texture, shade, triangles))
    assert (drawn[0] != -7).any()


def test_triangles_outside_or_without_area_draw_nothing(put):
    px = np.float32([[-9, -9], [-1, -9], [-5, -1], [10, 10], [20, 20], [30, 30]])
    given = px, px, np.ones(6, np.float32), np.int32([[0, 1, 2], [3, 4, 5]])
    for drawn in (on_kernels(put, given), on_twin(given)):
        assert all(np.array_equal(a, b) for a, b in zip(drawn, canvas(), strict=True))
