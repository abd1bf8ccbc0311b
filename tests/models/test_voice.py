import numpy as np
import pytest

from limner.engine.testing import speech_like
from limner.models.voice import HANGOVER, HOP, VoiceActivity

RATE = 16_000
RNG = np.random.default_rng(3)


def decide(x, sizes=None):
    voice = VoiceActivity()
    if sizes is None:
        return voice.push(x)
    parts, at = [], 0
    while at < len(x):
        n = int(sizes[len(parts) % len(sizes)])
        parts.append(voice.push(x[at:at + n]))
        at += n
    return np.concatenate(parts)


def talk(seconds, level=0.2):
    """Two seconds of sound, one of silence, and so on."""
    x = speech_like(seconds).astype(np.float32)
    x *= level / np.abs(x).max()
    x[(np.arange(len(x)) // RATE) % 3 == 2] = 0
    return x


def test_any_chunking_equals_one_pass():
    x = talk(6)
    assert np.array_equal(decide(x), decide(x, [1, 159, 160, 321, 4000, 7]))


def test_reset_equals_fresh():
    voice, x = VoiceActivity(), talk(4)
    voice.push(x)
    voice.reset()
    assert np.array_equal(voice.push(x), decide(x))


@pytest.mark.parametrize("level", [0.0, 1e-4, 3e-3])
def test_steady_noise_is_not_speech(level):
    assert not decide((RNG.normal(0, 1, 10 * RATE) * level).astype(np.float32))[100:].any()


def test_one_decision_per_hop():
    assert len(decide(np.zeros(10 * HOP + 37, np.float32))) == 10


def test_hears_recorded_speech_and_does_not_flutter(shared):
    import wave
    with wave.open(str(shared / "data/speech/en_austen_0870.wav")) as f:
        x = np.frombuffer(f.readframes(f.getnframes()), np.int16).astype(np.float32) / 32768
    x = np.concatenate([np.zeros(RATE, np.float32), x, np.zeros(RATE, np.float32)])
    voiced = decide(x)
    assert not voiced[:100].any()
    assert voiced[130:-130].mean() > 0.85
    assert not voiced[-RATE // HOP + HANGOVER + 5:].any()
    assert np.abs(np.diff(voiced.astype(int))).sum() <= 8
    quiet = decide(x * 0.05)                                # 26 dB softer, the same talker further away
    assert quiet[130:-130].mean() > 0.8
