import shutil

import numpy as np
import pytest

from limner.engine.errors import MissingPackage
from limner.models.training import speech_corpus as sc
from limner.models.training.speech_data import build_stream, draw_crops, load_stream, tempo

needs_flite = pytest.mark.skipif(shutil.which("flite") is None, reason="flite is not installed")


@pytest.fixture(scope="module")
def shard(tmp_path_factory):
    if shutil.which("flite") is None:
        pytest.skip("flite is not installed")
    path = tmp_path_factory.mktemp("corpus") / "flite_1_000.npz"
    sc.make_shard(path, "flite", 12, [1, 0])
    return path


def test_resampling_keeps_the_sound_and_changes_the_length():
    t = np.arange(16_000) / 16_000
    x = np.sin(2 * np.pi * 440 * t).astype(np.float32)
    slow = sc.resample(x, 1.25)
    assert len(slow) == 20_000
    assert np.abs(slow - np.sin(2 * np.pi * 352 * np.arange(20_000) / 16_000)).max() < 1e-3


@needs_flite
def test_flite_phone_times_match_its_sound():
    u = sc.flite("Sixty six thick thistle sticks.", "slt", 200, 1.0)
    assert u.phones[0][0] == "pau" and abs(u.phones[-1][1] - len(u.audio) / 16_000) < 0.1
    assert all(a[1] <= b[1] for a, b in zip(u.phones, u.phones[1:], strict=False))
    # Every s hisses: most of its power lies above 3 kHz, which is true of no vowel.
    starts = dict(enumerate([0.0] + [t for _, t in u.phones]))
    for i, (phone, end) in enumerate(u.phones):
        if phone in ("s", "ih"):
            part = u.audio[int(starts[i] * 16_000) + 160:int(end * 16_000) - 160]
            power = np.abs(np.fft.rfft(part)) ** 2
            high = power[np.fft.rfftfreq(len(part), 1 / 16_000) > 3000].sum() / power.sum()
            assert (high > 0.5) == (phone == "s")


def test_missing_flite_is_named(monkeypatch):
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(MissingPackage, match="apt install flite"):
        sc.flite("Hello.", "slt", 200, 1.0)


def test_espeak_speaks_languages_with_ordered_phones():
    try:
        espeak = sc.the_espeak()
    except MissingPackage as e:
        pytest.skip(str(e))
    for text, voice, phone in (("Schöne Bücher", "de", "ʃ"), ("un bon vin", "fr", "b"), ("мама", "ru", "m")):
        u = espeak.say(text, voice, 170, 50, 50)
        assert u.audio.size and any(p.startswith(phone) for p, _ in u.phones)
        ends = [t for _, t in u.phones]
        assert ends == sorted(ends) and abs(ends[-1] - len(u.audio) / 16_000) < 0.01
    assert espeak.say("x", "no-such-voice", 170, 50, 50) is None


def test_a_shard_is_repeatable_and_complete(shard, tmp_path):
    audio, index = sc.read_shard(shard)
    assert audio.dtype == np.int16 and len(audio) >= 12 * 16_000
    assert index[-1]["start"] + index[-1]["length"] == len(audio)
    sc.make_shard(tmp_path / "again.npz", "flite", 12, [1, 0])
    again, _ = sc.read_shard(tmp_path / "again.npz")
    assert np.array_equal(audio, again)


def test_a_corpus_mixes_its_engines_and_keeps_what_is_there(tmp_path, monkeypatch):
    made = []
    monkeypatch.setattr(sc, "make_shard", lambda path, engine, *rest: made.append(engine) or path.touch())
    first = sc.make_corpus(tmp_path, 2.0, 0.75, 3, say=lambda line: None)
    assert made.count("flite") == 6 and made.count("espeak") == 2
    assert sc.make_corpus(tmp_path, 2.0, 0.75, 3, say=lambda line: None) == first and len(made) == 8


def test_rows_line_up_with_the_sound(shard, tmp_path):
    stream = build_stream(shard, 0)
    n = len(stream.classes)
    assert stream.mel.shape == (n, 80) and stream.lips.shape == (n, 2)
    level = stream.mel.astype(np.float32).mean(1)
    assert level[stream.classes == 0].mean() < level[stream.classes > 0].mean() - 5
    assert 0.1 < (stream.classes == 0).mean() < 0.5
    again = load_stream(shard, tmp_path, 0)
    assert np.array_equal(load_stream(shard, tmp_path, 0).mel, again.mel) and np.array_equal(again.mel, stream.mel)


def test_crops_keep_rows_and_labels_together(shard):
    stream = build_stream(shard, 0)
    crops = draw_crops([stream], 6, 300, np.random.default_rng(0))
    assert crops.mel.shape == (6, 300, 80) and crops.classes.shape == (6, 300) and crops.lips.shape == (6, 300, 2)
    level = crops.mel.mean(-1)
    assert level[crops.classes == 0].mean() < level[crops.classes > 0].mean() - 4


def test_tempo_runs_forward_within_its_bounds():
    rng = np.random.default_rng(0)
    for _ in range(20):
        at = tempo(400, rng)
        assert at[0] == 0 and np.diff(at).min() > 0.74 and np.diff(at).max() < 1.31
