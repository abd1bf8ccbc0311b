import numpy as np

from limner.engine.testing import check_stage
from limner.engine.types import Frame
from limner.models.interpolators.blend import create


def test_pictures_in_between_are_weighted_means():
    rng = np.random.default_rng(0)
    a = rng.integers(60, 120, (48, 64, 3), np.uint8)
    b = (a + rng.integers(0, 20, a.shape)).astype(np.uint8)
    stage = create(fps=60)
    out = [*stage.push(Frame(a, 0, 3600, 0)), *stage.push(Frame(b, 3600, 3600, 0))]
    assert [f.pts for f in out] == [0, 1500, 3000]
    for f in out[1:]:
        t = f.pts / 3600
        want = np.rint((1 - t) * a.astype(np.float64) + t * b)
        assert np.abs(f.pixels - want).max() <= 1             # single-precision weights may round a tie the other way


def test_still_pictures_stay_exactly_as_they_are():
    a = np.random.default_rng(1).integers(0, 256, (32, 32, 3), np.uint8)
    stage = create(fps=50)
    out = [*stage.push(Frame(a, 0, 3600, 0)), *stage.push(Frame(a, 3600, 3600, 0))]
    assert all(np.array_equal(f.pixels, a) for f in out)


def test_keeps_the_stage_contract():
    check_stage(create(fps=50))
    check_stage(create(fps=30), duration=6000)
