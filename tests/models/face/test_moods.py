import numpy as np
import pytest

from limner.engine.types import ARKIT_INDEX
from limner.models.face.moods import MOODS, mood


@pytest.mark.parametrize("name", MOODS)
def test_moods_are_gentle_offsets(name: str):
    offsets = mood(name)
    assert offsets.shape == (52,) and offsets.min() >= 0 and offsets.max() <= 0.3
    assert not offsets.flags.writeable


def test_moods_mean_what_they_say():
    assert not mood("neutral").any()
    assert mood("warm")[ARKIT_INDEX["mouthSmileLeft"]] > 0 and mood("serious")[ARKIT_INDEX["browDownRight"]] > 0
    assert np.array_equal(mood("warm") > 0, mood("warm") != 0)
