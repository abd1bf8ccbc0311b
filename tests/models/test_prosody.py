import numpy as np

from limner.models.prosody import BEAT, REFRACTORY, Prosody, pitch

RATE = 16_000


def voice(hertz, loud):
    """Harmonic sound following pitch and loudness curves given per hop."""
    f, g = (np.repeat(np.asarray(c, float), 160) for c in (hertz, loud))
    phase = 2 * np.pi * np.cumsum(f) / RATE
    return (g * sum(np.sin(k * phase) / k for k in range(1, 8))).astype(np.float32)


def run(x, sizes=(None,)):
    p, at, out = Prosody(), 0, []
    while at < len(x):
        n = sizes[len(out) % len(sizes)] or len(x)
        out.append(p.push(x[at:at + n]))
        at += n
    return np.concatenate(out)


def accent():
    hertz, loud = np.full(300, 110.0), np.full(300, 0.05)
    hertz[150:175], loud[150:175] = 150, 0.2
    return voice(hertz, loud)


def test_pitch_of_a_harmonic_sound():
    for hertz in (90, 130, 210, 320):
        tones, _, _ = pitch(voice(np.full(4, hertz), np.full(4, 0.1))[None, :512])
        assert pitch(voice(np.full(4, hertz), np.full(4, 0.1))[None, :512])[2][0] > 0.8
        assert abs(55 * 2 ** (tones[0] / 12) / hertz - 1) < 0.05      # lags are whole samples at 4 kHz


def test_noise_and_silence_have_no_pitch():
    noise = np.random.default_rng(0).normal(0, 0.1, (5, 512))
    assert np.isnan(pitch(noise)[0]).mean() >= 0.8 and pitch(noise)[2].mean() < 0.45
    assert np.isnan(pitch(np.zeros((2, 512)))[0]).all()


def test_a_pitch_accent_makes_one_beat_near_it():
    beats = run(accent())[:, 0]
    late = beats[100:]
    assert late.max() > 0.4
    assert 150 <= 100 + late.argmax() <= 150 + 10 + BEAT
    assert not beats[100:149].any() and not beats[155 + REFRACTORY:].any()


def test_louder_without_higher_is_no_accent():
    loud = np.full(300, 0.05)
    loud[150:175] = 0.2
    assert not run(voice(np.full(300, 110.0), loud))[100:, :2].any()


def test_any_chunking_equals_one_pass():
    assert np.array_equal(run(accent()), run(accent(), (1, 333, 160, 2048)))


def test_reset_equals_fresh():
    p = Prosody()
    p.push(accent())
    p.reset()
    assert np.array_equal(p.push(accent()), run(accent()))
