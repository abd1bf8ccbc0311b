import numpy as np

from limner.models import living
from limner.models.dinet import references
from tests.models import faces


def test_clip_references_spread_over_the_opening():
    _, marks = faces.moving(30)
    gaps = references.opening(marks)
    picked = references.chosen(marks)
    assert len(set(picked)) == 5
    assert gaps[picked[0]] == gaps.min() and gaps[picked[-1]] == gaps.max()
    assert np.all(np.diff(gaps[picked]) >= 0)


def test_short_clip_repeats():
    _, marks = faces.moving(2)
    assert len(references.chosen(marks)) == 5


def test_one_photo_gives_five_looks():
    looks = references.drawn(living.seated(faces.portrait(), 256))
    assert len(looks) == 5 and all(look.shape == (256, 256, 3) and look.dtype == np.uint8 for look in looks)
    mouth = [look[120:190, 90:170].astype(int) for look in looks]
    assert min(np.abs(a - b).mean() for i, a in enumerate(mouth) for b in mouth[:i]) > 0.5
