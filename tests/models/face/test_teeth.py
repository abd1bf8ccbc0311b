import numpy as np

from limner.models.face.teeth import ABOVE, DENSITY, palette, row_of_teeth


def _row(upper: bool) -> np.ndarray:
    return row_of_teeth(palette(np.ones(3), 200.0), upper)


def test_palette_scales_with_the_light():
    white, warm = palette(np.ones(3), 200), palette(np.array([1.2, 1.0, 0.8]), 100)
    assert abs(white.enamel.mean() - 200) < 1 and abs(warm.enamel.mean() - 100) < 2
    assert warm.enamel[0] / warm.enamel[2] > white.enamel[0] / white.enamel[2]
    assert white.cavity.mean() < white.gum.mean() < white.enamel.mean()


def test_rows_are_symmetric_premultiplied_and_end_at_the_biting_edge():
    for upper in (True, False):
        row = _row(upper)
        assert np.allclose(row, row[:, ::-1], atol=1e-3)
        assert row[..., 3].min() == 0 and row[..., 3].max() == 1
        assert (row[..., :3][row[..., 3] == 0] == 0).all()
        edge = round(ABOVE * DENSITY)
        middle = row.shape[1] // 2
        assert row[edge - 8, middle - 6, 3] == 1 and row[edge + 6, middle - 6, 3] == 0


def test_gums_lie_over_the_teeth_and_the_sides_are_darker():
    row = _row(True)
    middle, edge = row.shape[1] // 2 + 8, round(ABOVE * DENSITY)
    tooth, gum = row[edge - 25, middle, :3], row[4, middle, :3]
    assert tooth.mean() > 1.4 * gum.mean() and gum[0] > 1.3 * gum[1]
    side = row[edge - 25, middle + round(2.2 * DENSITY), :3]
    assert side.mean() < 0.8 * tooth.mean()
