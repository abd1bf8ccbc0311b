import numpy as np
import pytest

from limner.engine.errors import UsageError
from limner.engine.types import AudioChunk
from limner.models.features.logmel import DRIVER, WAV2LIP, LogMel, log_mel, mel_filters

RNG = np.random.default_rng(0)
SOUND = RNG.normal(0, 0.1, 16_000).astype(np.float32)


def chunks(x, sizes, rate=16_000):
    at = 0
    while at < len(x):
        n = int(next(sizes))
        yield AudioChunk(x[at:at + n], rate, at, at * 90_000 // rate, at)
        at += n


@pytest.mark.parametrize("spec", [DRIVER, WAV2LIP], ids=["driver", "wav2lip"])
def test_any_chunking_equals_one_pass(spec):
    extractor = LogMel(spec)
    sizes = iter(RNG.integers(1, 900, 1000))
    out = [r for c in chunks(SOUND, sizes) if (r := extractor.push(c)) is not None]
    out.append(extractor.finish())
    rows = np.concatenate([r.rows for r in out])
    assert np.abs(rows - log_mel(SOUND, spec)).max() < 1e-6
    starts = [r.pts for r in out]
    assert starts == [sum(len(r.rows) for r in out[:i]) * extractor.step for i in range(len(out))]


@pytest.mark.parametrize("spec", [DRIVER, WAV2LIP], ids=["driver", "wav2lip"])
def test_declared_lookahead_is_all_a_row_needs(spec):
    """Sound after instant + lookahead never changes a row, and sound just before it does."""
    row = 20
    end = row * spec.hop + spec.window - spec.lead
    assert LogMel(spec).lookahead == end * 90_000 // 16_000 - row * LogMel(spec).step
    later, inside = SOUND.copy(), SOUND.copy()
    later[end:] = 0
    inside[end - spec.hop:] = 0
    assert np.array_equal(log_mel(later, spec)[row], log_mel(SOUND, spec)[row])
    assert not np.allclose(log_mel(inside, spec)[row], log_mel(SOUND, spec)[row])


def test_reset_equals_fresh():
    extractor = LogMel(WAV2LIP)
    extractor.samples(SOUND[:5000])
    extractor.reset()
    assert np.array_equal(extractor.samples(SOUND), LogMel(WAV2LIP).samples(SOUND))


def test_a_tone_lights_its_own_band():
    t = np.arange(16_000) / 16_000
    mel = log_mel(np.sin(2 * np.pi * 1000 * t), DRIVER)
    centre = (mel_filters(DRIVER) * np.linspace(0, 8000, 257)[:, None]).sum(0) / mel_filters(DRIVER).sum(0)
    assert abs(centre[mel[50].argmax()] - 1000) < 40        # one band is about 60 Hz wide there


def test_wrong_rate_is_refused():
    with pytest.raises(UsageError, match="44100"):
        LogMel().push(AudioChunk(SOUND, 44_100, 0, 0, 0))


def test_equals_the_published_wav2lip_mel(shared):
    case = np.load(shared / "models/golden/wav2lip.e2e/case_1.npz", allow_pickle=False)
    ours = log_mel(case["in_wav"] / 32768.0, WAV2LIP).T
    assert ours.shape == case["out_mel"].shape
    assert np.abs(ours - case["out_mel"]).max() < 2e-5      # the published one computes in complex64
