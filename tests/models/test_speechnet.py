import numpy as np
import pytest

from limner.engine.errors import WeightsError
from limner.models.drivers.speech import WEIGHTS
from limner.models.phones import CLASSES
from limner.models.speechnet import LEVEL_DECAY, LEVEL_FLOOR, MAX_BYTES, SpeechNet, energy, follow, normalise

RNG = np.random.default_rng(0)
MEL = RNG.normal(-5, 2, (300, 80)).astype(np.float32)


def test_any_chunking_equals_one_pass():
    whole = SpeechNet(WEIGHTS).push(MEL)
    net, parts, at = SpeechNet(WEIGHTS), [], 0
    for n in (1, 2, 0, 60, 7, 100, 130):
        parts.append(net.push(MEL[at:at + n]))
        at += n
    for k in range(3):
        assert np.abs(np.concatenate([p[k] for p in parts]) - whole[k]).max() < 1e-5


def test_reset_equals_fresh():
    net = SpeechNet(WEIGHTS)
    net.push(MEL)
    net.reset()
    for ours, fresh in zip(net.push(MEL), SpeechNet(WEIGHTS).push(MEL), strict=True):
        assert np.array_equal(ours, fresh)


def test_answers_are_probabilities():
    classes, closure, lips = SpeechNet(WEIGHTS).push(MEL)
    assert classes.shape == (300, len(CLASSES)) and closure.shape == (300,) and lips.shape == (300, 2)
    assert np.allclose(classes.sum(1), 1, atol=1e-5)
    assert (closure >= 0).all() and (closure <= 1).all()


def test_a_fresh_net_has_heard_silence():
    """Starting equals having listened to digital silence for a long time, so the first word is no shock."""
    quiet = np.full((400, 80), -18.42, np.float32)
    fresh, settled = SpeechNet(WEIGHTS), SpeechNet(WEIGHTS)
    settled.push(quiet)
    assert np.abs(fresh.push(MEL[:50])[0] - settled.push(MEL[:50])[0]).max() < 1e-3


def test_loudness_does_not_matter():
    """A talker 12 dB softer gives the same rows once the level is followed."""
    loud, soft = MEL, MEL - 2.76
    a, b = (normalise(m, follow(energy(m), LEVEL_FLOOR)) for m in (loud, soft))
    assert np.abs(a - b).max() < 1e-5


def test_level_follows_peaks_and_falls_slowly():
    level = np.full(100, -20.0)
    level[10] = 0
    out = follow(level, LEVEL_FLOOR)
    assert out[9] == LEVEL_FLOOR and out[10] == pytest.approx(0) and out[60] == pytest.approx(-50 * LEVEL_DECAY)
    assert np.allclose(np.concatenate([follow(level[:33], LEVEL_FLOOR), follow(level[33:], out[32])]), out)


def test_shipped_weights_are_small():
    assert WEIGHTS.stat().st_size <= MAX_BYTES


@pytest.mark.parametrize("content", [b"", b"text", b"PK\x03\x04broken"])
def test_what_is_no_network_is_refused(tmp_path, content):
    path = tmp_path / "w.npz"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match="not a readable speech network"):
        SpeechNet(path)


def test_a_missing_or_misshapen_network_is_named(tmp_path):
    with pytest.raises(WeightsError, match="train-speech"):
        SpeechNet(tmp_path / "none.npz")
    with np.load(WEIGHTS) as z:
        arrays = dict(z)
    arrays["head.b"] = arrays["head.b"][:-1]
    np.savez(tmp_path / "w.npz", **arrays)
    with pytest.raises(WeightsError, match="outputs"):
        SpeechNet(tmp_path / "w.npz")
