import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from limner.engine.errors import MediaError
from limner.streams.audio import Resampler, clean, mix_down, resample, to_float, to_s16

RATES = [8_000, 11_025, 12_345, 16_000, 22_050, 44_100, 48_000, 96_000, 192_000]


def noise(n: int, seed: int = 0) -> np.ndarray:
    return (np.random.default_rng(seed).standard_normal(n) * 0.2).astype(np.float32)


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("n", [1, 7, 479, 4801])
def test_length_is_exact(rate, n):
    assert len(resample(noise(n), rate)) == -(-n * 16_000 // rate)


@pytest.mark.parametrize("rate", RATES)
def test_streamed_equals_offline(rate):
    x, rng = noise(rate // 2 + 17), np.random.default_rng(1)
    stream, parts, i = Resampler(rate), [], 0
    while i < len(x):
        n = int(rng.integers(0, 700))
        parts.append(stream.push(x[i:i + n]))
        i += n
    parts.append(stream.flush())
    np.testing.assert_array_equal(np.concatenate(parts), resample(x, rate))


def test_reset_equals_fresh():
    x, used = noise(5_000), Resampler(44_100)
    used.push(noise(3_000, seed=5))
    used.reset()
    np.testing.assert_array_equal(np.concatenate([used.push(x), used.flush()]), resample(x, 44_100))


@pytest.mark.parametrize("rate", [8_000, 44_100, 48_000, 96_000])
def test_a_tone_keeps_its_phase_and_level(rate):
    tone = np.sin(2 * np.pi * 440 * np.arange(rate) / rate).astype(np.float32)
    out = resample(tone, rate)
    want = np.sin(2 * np.pi * 440 * np.arange(len(out)) / 16_000)
    # 1e-4: swresample's default filter has about 90 dB of stop band; the edges hold its ringing.
    np.testing.assert_allclose(out[200:-200], want[200:-200], atol=1e-4)


def test_above_the_new_nyquist_nothing_is_left():
    tone = np.sin(2 * np.pi * 11_000 * np.arange(48_000) / 48_000).astype(np.float32)
    assert np.abs(resample(tone, 48_000)[200:-200]).max() < 1e-3     # -60 dB, inaudible alias


@given(st.lists(st.floats(width=32, allow_nan=True, allow_infinity=True), max_size=60))
@settings(deadline=None, max_examples=50)
def test_whatever_comes_in_finite_sound_comes_out(values):
    out = resample(np.array(values, np.float32), 44_100)
    assert np.isfinite(out).all() and (np.abs(out) <= 1).all()


def test_clean_names_each_case():
    got = clean(np.array([np.nan, np.inf, -np.inf, 3.0, -0.25, 1e300]))
    np.testing.assert_array_equal(got, np.float32([0, 1, -1, 1, -0.25, 1]))


@pytest.mark.parametrize("dtype, low, high", [(np.uint8, 0, 255), (np.int16, -2**15, 2**15 - 1),
                                              (np.int32, -2**31, 2**31 - 1)])
def test_integer_pcm_covers_full_scale(dtype, low, high):
    got = to_float(np.array([low, high], dtype))
    assert got.dtype == np.float32 and got[0] == -1 and 0.99 < got[1] <= 1


def test_s16_there_and_back():
    x = noise(1_000).clip(-1, 1)
    np.testing.assert_allclose(to_float(to_s16(x)), x, atol=2 / 32767)     # a rounding step plus 32767 against 32768
    np.testing.assert_array_equal(to_s16(np.float32([2, -2, np.nan])), [32767, -32767, 0])


def test_mix_down_keeps_dialogue_in_front():
    names = ("FL", "FR", "FC", "LFE", "SL", "SR")
    centre, rumble = np.zeros((6, 4), np.float32), np.zeros((6, 4), np.float32)
    centre[2], rumble[3] = 1, 1
    assert mix_down(centre, names)[0] > 1.5 / 6          # more than a plain average gives it
    assert not mix_down(rumble, names).any()
    np.testing.assert_allclose(mix_down(np.ones((6, 4), np.float32), names), 1, rtol=1e-6)
    np.testing.assert_allclose(mix_down(np.float32([[1, 1], [0, 0]]), ("FL", "FR")), 0.5)


@pytest.mark.parametrize("rate", [0, -1, 1_000, 10**9])
def test_an_absurd_rate_is_refused(rate):
    with pytest.raises(MediaError, match="Hz"):
        Resampler(rate)
