import numpy as np
import pytest

from limner.engine.errors import UsageError
from limner.engine.types import AudioChunk
from limner.models.features.mfcc import Mfcc, mfcc

RNG = np.random.default_rng(0)
SOUND = RNG.normal(0, 0.1, 9_137).astype(np.float32)


def test_any_chunking_equals_one_pass():
    extractor, at, out = Mfcc(26), 0, []
    while at < len(SOUND):
        n = int(RNG.integers(1, 700))
        got = extractor.push(AudioChunk(SOUND[at:at + n], 16_000, at, 0, 0))
        out += [] if got is None else [got]
        at += n
    out.append(extractor.finish())
    assert np.abs(np.concatenate([r.rows for r in out]) - mfcc(SOUND, 26)).max() < 1e-5
    assert out[-1].pts == sum(len(r.rows) for r in out[:-1]) * 900


def test_row_count_pads_the_last_window():
    """python_speech_features: 1 + ceil((n - window) / hop)."""
    for n in (100, 400, 401, 560, 561, 9_137):
        assert len(mfcc(SOUND[:n])) == 1 + max(0, -(-(n - 400) // 160))


def test_reset_equals_fresh():
    extractor = Mfcc()
    extractor.samples(SOUND[:3000])
    extractor.reset()
    assert np.array_equal(extractor.samples(SOUND), Mfcc().samples(SOUND))


def test_first_coefficient_is_the_log_energy():
    louder = mfcc(SOUND * 2)[:-1, 0] - mfcc(SOUND)[:-1, 0]
    assert np.allclose(louder, 2 * np.log(2), atol=1e-5)


def test_silence_is_finite():
    assert np.isfinite(mfcc(np.zeros(1600))).all()


def test_wrong_rate_is_refused():
    with pytest.raises(UsageError, match="8000"):
        Mfcc().push(AudioChunk(SOUND, 8_000, 0, 0, 0))


def test_equals_the_published_deepspeech_input(shared):
    """Every second row, 9 zero rows either side, 19 stacked, whitened over the whole matrix."""
    case = np.load(shared / "models/golden/dinet.e2e/case_1.npz", allow_pickle=False)
    rows = mfcc(case["in_wav"] / 32768.0, 26)[::2]
    padded = np.concatenate([np.zeros((9, 26)), rows, np.zeros((9, 26))])
    stacked = np.stack([padded[i:i + 19].reshape(-1) for i in range(len(rows))])
    ours = (stacked - stacked.mean()) / stacked.std()
    assert ours.shape == case["out_ds_input"].shape
    assert np.abs(ours - case["out_ds_input"]).max() < 1e-5
