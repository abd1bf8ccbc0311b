"""What is taken as sound."""

import numpy as np
import pytest

from limner.engine.errors import InputError
from limner.engine.sound import checked, mono
from limner.engine.types import AudioChunk


def test_what_is_not_a_number_is_silent():
    out = mono(np.array([0.5, np.nan, np.inf, -np.inf], np.float64))
    assert out.dtype == np.float32
    assert out.tolist() == [0.5, 0, 0, 0]


@pytest.mark.parametrize("samples", [np.zeros((2, 8), np.float32), np.zeros(8, np.int16), np.float32(1).reshape(())])
def test_other_forms_are_refused(samples):
    with pytest.raises(InputError, match=r"mono floats \[n\]"):
        mono(samples)


def test_another_rate_is_refused():
    with pytest.raises(InputError, match="48000 Hz; the engine hears 16000 Hz"):
        checked(AudioChunk(np.zeros(8, np.float32), 48_000, 0, 0, 0))


@pytest.mark.parametrize("count", [0, 1, 320])
def test_any_length_is_sound(count):
    assert len(checked(AudioChunk(np.zeros(count, np.float32), 16_000, 0, 0, 0))) == count
