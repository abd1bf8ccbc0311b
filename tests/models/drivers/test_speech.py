import wave

import numpy as np
import pytest

from limner.engine.errors import UsageError
from limner.engine.testing import check_extractor, speech_like
from limner.engine.types import ARKIT, ARKIT_INDEX, EXPRESSION_ROW, AudioChunk
from limner.models.drivers.speech import STEP, SpeechDriver
from limner.models.mouth import indices, lip_gap

RATE, HOP = 16_000, 160
RNG = np.random.default_rng(0)
MOUTH_CLOSE = ARKIT_INDEX["mouthClose"]


def rows_of(x, driver=None):
    driver = driver or SpeechDriver()
    return driver.push(AudioChunk(np.asarray(x, np.float32), RATE, 0, 0, 0))


@pytest.fixture(scope="module")
def talk(shared):
    """Seven seconds of recorded speech between two seconds of room each."""
    with wave.open(str(shared / "data/speech/en_austen_0870.wav")) as f:
        x = np.frombuffer(f.readframes(f.getnframes()), np.int16).astype(np.float32) / 32768
    pad = RNG.normal(0, 3e-4, 2 * RATE)
    return np.concatenate([pad, x, pad]).astype(np.float32)


def test_contract():
    rows = check_extractor(SpeechDriver())
    assert rows.rows.shape[1] == EXPRESSION_ROW and rows.pts == 0


def test_contract_on_recorded_speech(talk):
    check_extractor(SpeechDriver(), talk[: 5 * RATE])


def test_declared_lookahead_is_kept_and_short():
    driver = SpeechDriver()
    assert driver.lookahead <= 60 * 90
    x = speech_like(2.0).astype(np.float32)
    row = 120
    end = (row * STEP + driver.lookahead) * RATE // 90_000
    later, inside = x.copy(), x.copy()
    later[end:] = RNG.normal(0, 0.3, len(x) - end)
    inside[end - HOP:] = RNG.normal(0, 0.3, len(x) - end + HOP)
    reference = rows_of(x).rows[row]
    assert np.array_equal(rows_of(later).rows[row], reference)
    assert not np.array_equal(rows_of(inside).rows[row], reference)


def test_weights_stay_in_range(talk):
    rows = rows_of(np.concatenate([talk, RNG.normal(0, 0.5, RATE), talk * 4])).rows
    assert np.isfinite(rows).all()
    assert rows[:, :52].min() >= 0 and rows[:, :52].max() <= 1
    assert np.abs(rows[:, 52:]).max() < np.radians(3.01)


def test_only_what_speech_moves_is_written(talk):
    used = {ARKIT[i] for i in np.flatnonzero(rows_of(talk).rows[:, :52].any(0))}
    assert all(name.startswith(("jaw", "mouth", "tongue", "brow")) for name in used)
    assert {"jawOpen", "mouthClose", "mouthPucker", "mouthStretchLeft", "tongueOut"} <= used


@pytest.mark.parametrize("level", [0.0, 1e-4, 1e-3])
def test_lips_rest_in_silence_and_room_noise(level):
    out = rows_of(RNG.normal(0, 1, 8 * RATE) * level)
    assert lip_gap(out.rows).max() < 1e-3 and not out.voiced.any()


def test_lips_close_within_a_quarter_second_of_silence(talk):
    out = rows_of(talk)
    end = len(talk) // HOP - 200
    gap = lip_gap(out.rows)
    assert gap[end - 300:end - 30].max() > 0.04
    assert gap[end + 30:].max() < 0.01
    assert out.voiced[end - 300:end - 60].all() and not out.voiced[end + 20:].any()


def test_nothing_pops(talk):
    """Per 10 ms a lip moves at most a third of its range; at the edges of speech no faster than inside it."""
    rows = rows_of(talk).rows[:, :52]
    jaw = np.abs(np.diff(rows[:, indices("jawOpen")[0]]))
    assert jaw.max() < 0.12
    edges = np.r_[jaw[190:230], jaw[-220:-150]]
    assert edges.max() <= jaw.max()


def test_lips_meet_and_stay_for_a_picture(talk):
    shut = rows_of(talk).rows[:, MOUTH_CLOSE] > 0.9
    runs = np.diff(np.flatnonzero(np.diff(np.r_[0, shut.astype(int), 0])).reshape(-1, 2), axis=1)
    assert len(runs) >= 4 and runs.min() >= 2
    closed = lip_gap(rows_of(talk).rows)[shut]
    assert closed.max() < 0.02


def test_loudness_does_not_open_the_mouth(talk):
    gap, soft = lip_gap(rows_of(talk).rows), lip_gap(rows_of(talk * 0.25).rows)
    assert np.corrcoef(gap, soft)[0, 1] > 0.95
    assert 0.9 < soft.std() / gap.std() < 1.1


def test_stress_moves_brow_and_head(talk):
    rows = rows_of(talk).rows
    brow, nod = rows[:, ARKIT_INDEX["browInnerUp"]], rows[:, 52]
    assert 0.1 < brow.max() < 0.5 and nod.min() < -np.radians(1) and nod.max() <= 0
    assert not rows[:150, 52].any()


def test_reset_equals_fresh(talk):
    driver = SpeechDriver()
    rows_of(talk[:50_000], driver)
    driver.reset()
    assert np.array_equal(rows_of(talk, driver).rows, rows_of(talk).rows)


def test_pts_follow_the_stream():
    driver = SpeechDriver()
    x = speech_like(1.0).astype(np.float32)
    first = driver.push(AudioChunk(x[:8000], RATE, 0, 12_345, 7))
    second = driver.push(AudioChunk(x[8000:], RATE, 8000, 12_345 + 45_000, 9))
    assert first.pts == 12_345 and second.pts == first.pts + len(first.rows) * STEP
    assert (first.captured_ns, second.captured_ns) == (7, 9)


def test_wrong_rate_is_refused():
    with pytest.raises(UsageError, match="48000"):
        SpeechDriver().push(AudioChunk(np.zeros(480, np.float32), 48_000, 0, 0, 0))


def test_visemes_of_recorded_speech_beat_chance_by_far(shared, talk):
    """The benchmark has the figure; here it only has to be a speech network and not another one."""
    from limner.clients.face_scores import read_alignment

    answer = SpeechDriver().visemes(talk[2 * RATE:-2 * RATE])
    truth = read_alignment(shared / "data/speech/en_austen_0870.phone.json", len(answer)).visemes
    assert (answer == truth).mean() > 0.45
