import numpy as np
import pytest

from limner.models.face.aperture import SAMPLES, coverage, gather, join, mend, trace


def test_trace_passes_through_its_points_and_is_smooth():
    x = np.linspace(10, 50, 9)
    points = np.stack([x, 20 + 6 * np.sin(x / 8)], 1).astype(np.float32)
    heights, slopes = np.zeros(2 * 60, np.float32), np.zeros(2 * 60, np.float32)
    trace(points, np.float32(0), heights, slopes)
    columns = (np.arange(120) + 0.5) / SAMPLES - 0.5
    inside = (columns > 10) & (columns < 50)
    assert np.isnan(heights[~inside]).all()
    wanted = 20 + 6 * np.sin(columns[inside] / 8)
    assert np.abs(heights[inside] - wanted).max() < 0.25         # px; the ends have one-sided slopes
    assert np.abs(np.diff(heights[inside], 2)).max() < 0.05      # no corners at the given points


def test_gather_makes_columns_rise():
    px = np.array([[3, 0], [2, 1], [5, 2]], np.float32)
    out = np.zeros((3, 2), np.float32)
    gather(px, np.array([0, 1, 2], np.int32), out)
    assert (np.diff(out[:, 0]) > 0).all() and out[0, 0] == 3 and out[2, 0] == 5


def test_coverage_is_half_on_an_edge_and_soft_across_it():
    one, none = np.float32(1), np.float32(0)
    assert coverage(np.float32(5), np.float32(5), np.float32(50), none, none, one) == pytest.approx(0.5)
    assert coverage(np.float32(20), np.float32(5), np.float32(50), none, none, one) == 1
    assert coverage(np.float32(4), np.float32(5), np.float32(50), none, none, one) == 0
    # On a 45 degree edge the distance to it counts, not the height above it.
    assert coverage(np.float32(5.5), np.float32(5), np.float32(50), one, none, one) == pytest.approx(0.5 + 0.5 / 2**0.5)


def test_join_blends_a_shut_seam_by_where_it_runs():
    out = np.zeros((10, 4, 3), np.uint8)
    out[5:] = 200                                # whole pixels: the lower side begins at row 5
    columns = np.full((4, 8), 4.75, np.float32)
    columns[[1, 3]] = 0
    rest = out.copy()
    join(columns, 0, np.float32(0), out)
    assert np.array_equal(out, rest)             # a face at rest stays the portrait's own
    join(columns, 0, np.float32(1), out)
    assert (out[4] == 0).all() and (out[6:] == 200).all()
    assert 80 < out[5, 0, 0] < 190               # the seam at 4.75 leaves a quarter of row 5 to the upper side


def test_mend_takes_a_dark_rim_off_and_leaves_the_rest():
    out = np.full((40, 30, 3), 150, np.uint8)
    out[25:] = 90
    out[18:22] = 10                              # an open mouth's shadow, two px into either lip
    columns = np.full((4, 2 * 30), np.nan, np.float32)
    columns[[0, 2], 16:44] = 19.5                # the lips meet here, from column 8 to 22
    columns[[1, 3]] = 0
    rest = out.copy()
    mend(columns, 0, np.float32(0), np.float32(3), out)
    assert np.array_equal(out, rest)             # a face at rest stays the portrait's own
    mend(columns, 0, np.float32(1), np.float32(3), out)
    assert out[18:22, 8:22].min() > 80           # lighter than the darker lip's own 90, bar rounding at the ends
    assert np.array_equal(out[:10], rest[:10]) and np.array_equal(out[30:], rest[30:])
    assert np.array_equal(out[:, :1], rest[:, :1]) and np.array_equal(out[:, -1:], rest[:, -1:])
