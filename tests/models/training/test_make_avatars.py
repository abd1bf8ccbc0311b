"""The shipped packs come from this repository's own program."""

import numpy as np

from limner.models.avatar import bundled_avatars, load_avatar
from limner.models.training.make_avatars import MAKERS


def test_every_shipped_avatar_can_be_made_again():
    assert sorted(bundled_avatars()) == sorted(MAKERS)


def test_the_photograph_made_again_is_the_shipped_one(networks, astronaut):
    made, shipped = MAKERS["astronaut"](), load_avatar("astronaut")
    assert (made.licence, made.consent) == (shipped.licence, shipped.consent)
    np.testing.assert_allclose(made.portrait.landmarks, shipped.portrait.landmarks, atol=0.5)     # px, other CPUs round
    assert np.abs(made.portrait.image.astype(int) - shipped.portrait.image).mean() < 1
    assert np.abs(made.portrait.mask - shipped.portrait.mask).mean() < 0.01
    assert np.abs(made.background.astype(int) - shipped.background).mean() < 2
