import numpy as np

from limner.clients import face_baselines as fb
from limner.clients import face_noises as fn

RATE = 16_000
T = np.arange(RATE) / RATE


def vowel(f1, f2):
    """Pulse train at 110 Hz through two resonances."""
    x = (np.arange(RATE) % 145 == 0).astype(float)
    for f, width in ((f1, 60), (f2, 90)):
        r = np.exp(-np.pi * width / RATE)
        y = np.zeros(RATE)
        for i in range(2, RATE):
            y[i] = x[i] + 2 * r * np.cos(2 * np.pi * f / RATE) * y[i - 1] - r * r * y[i - 2]
        x = y
    return x / np.abs(x).max() * 0.3


def test_formants_tell_vowels_apart():
    ah, ee = (np.median(fb.formants(vowel(*f))[20:80], 0) for f in ((700, 1200), (300, 2200)))
    assert abs(ah[0] - 700) < 90 and abs(ee[0] - 300) < 90
    assert ee[1] > ah[1] + 300


def test_the_formant_rule_opens_for_ah_and_spreads_for_ee():
    ah, ee = (fb.formant_rule(vowel(*f)) for f in ((700, 1200), (300, 2200)))
    assert ah[0][20:80].mean() > ee[0][20:80].mean() + 0.3
    assert ee[1][20:80].mean() > ah[1][20:80].mean() + 0.3


def test_energy_jaw_follows_loudness_only():
    x = np.sin(2 * np.pi * 200 * T) * (np.sin(2 * np.pi * 2 * T) > 0)
    opening, width = fb.energy_jaw(x)
    level = np.sqrt((x.reshape(-1, 160) ** 2).mean(1))
    assert np.corrcoef(opening, level)[0, 1] > 0.9 and np.array_equal(width, -opening)


def test_noises_are_repeatable_quiet_and_not_alike():
    made = {name: fn.make(name, 3) for name in fn.NOISES}
    assert set(made) == {"silence", "breath", "keyboard", "office"}
    assert not made["silence"].any()
    for name, x in made.items():
        assert len(x) == 3 * RATE and np.isfinite(x).all() and np.abs(x).max() < 0.5
        assert np.array_equal(x, fn.make(name, 3))
    crest = {n: np.abs(x).max() / (x.std() + 1e-9) for n, x in made.items()}
    assert crest["keyboard"] > 2 * crest["breath"]
