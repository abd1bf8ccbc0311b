import numpy as np

from limner.engine.testing import check_extractor
from limner.engine.types import AudioChunk
from limner.models.features.logmel import WAV2LIP, log_mel
from limner.models.features.wav2lipmel import create
from limner.models.options import FaceOptions


def test_streamed_equals_offline_and_knows_silence():
    rng = np.random.default_rng(0)
    samples = np.concatenate([np.zeros(8000), rng.standard_normal(16_000) * 0.1, np.zeros(16_000)]).astype(np.float32)
    extractor = create(FaceOptions())
    parts, at = [], 0
    while at < len(samples):
        n = int(rng.integers(1, 500))
        parts.append(extractor.push(AudioChunk(samples[at:at + n], 16_000, at, 0, 0)))
        at += n
    parts = [part for part in [*parts, extractor.finish()] if part is not None]
    rows = np.concatenate([part.rows for part in parts])
    np.testing.assert_allclose(rows, log_mel(samples, WAV2LIP), atol=1e-6)
    voiced = np.concatenate([part.voiced for part in parts])
    assert len(voiced) == len(rows) and not voiced[:38].any() and not voiced[-40:].any()
    assert [part.pts for part in parts] == list(1125 * np.cumsum([0, *(len(part.rows) for part in parts[:-1])]))


def test_contract():
    check_extractor(create(FaceOptions()))
