import json
import os
import signal
import subprocess

import numpy as np
import pytest

from limner.clients import assemble, render
from limner.clients.options import Options
from limner.engine.errors import MediaError, OutputError, UsageError
from limner.engine.testing import speech_like
from limner.streams.mp4 import Mp4Writer
from tests.clients.faces import REAL_FACE, paper_face  # noqa: F401
from tests.streams.mp4_reader import beeps, lag, read_film
from tests.streams.sounds import encoded, tone, wav

pytestmark = pytest.mark.usefixtures("paper_face")


def make(tmp_path, audio, name="talk.mp4", **options):
    assert render.run(Options(**options), audio, tmp_path / name, quiet=True) == 0
    return read_film(tmp_path / name)


@pytest.mark.parametrize("fps", [24, 25, 30, 50, 60])
@pytest.mark.parametrize("rate", [16_000, 44_100, 48_000])
def test_flash_meets_beep_through_the_whole_chain(tmp_path, fps, rate):
    sound = beeps(3, rate)
    film = make(tmp_path, wav(tmp_path / "a.wav", sound, rate), fps=fps)
    assert film.rate == rate and film.first_sample == 0 and lag(film.sound, sound) == 0
    flashes = np.flatnonzero(np.array(film.luma) > 60)
    onsets = [float(film.times[k]) for k in flashes if k - 1 not in flashes]
    np.testing.assert_allclose(onsets, [1.0, 2.0], atol=1 / 90_000)       # the very picture that begins with the beep
    np.testing.assert_allclose(film.times, np.arange(3 * fps) / fps, atol=1 / 90_000)


@pytest.mark.parametrize("samples, pictures", [(1, 1), (640, 1), (641, 2), (16_000, 25), (16_123, 26)])
def test_pictures_cover_the_sound_and_no_more(tmp_path, samples, pictures):
    film = make(tmp_path, wav(tmp_path / "a.wav", tone(2)[:samples]))
    assert len(film.times) == pictures
    assert 0 <= len(film.sound) - samples < 1024                          # AAC frames


@pytest.mark.parametrize("name, codec, rate", [("a.mp3", "libmp3lame", 44_100), ("a.m4a", "aac", 48_000), ("a.ogg", "libopus", 48_000),
                                               ("a.mp4", "aac", 48_000)])
def test_compressed_sound_and_film(tmp_path, name, codec, rate):
    sound = beeps(2, rate)
    film = make(tmp_path, encoded(tmp_path / name, codec, sound, rate, video=name == "a.mp4"), name="out.mp4")
    assert lag(film.sound, sound) == 0 and film.rate == rate


def test_an_odd_rate_becomes_48_khz(tmp_path):
    film = make(tmp_path, wav(tmp_path / "a.wav", np.stack([tone(1, 96_000)] * 8, 1), 96_000))
    assert film.rate == 48_000 and lag(film.sound, tone(1, 48_000)) == 0


def test_the_same_seed_gives_the_same_film(tmp_path):
    audio = wav(tmp_path / "a.wav", beeps(2))
    for name in ("a", "b"):
        render.run(Options(), audio, tmp_path / f"{name}.mp4", report=tmp_path / f"{name}.json", quiet=True)
    reports = [json.loads((tmp_path / f"{name}.json").read_text()) for name in "ab"]
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()
    assert reports[0]["pixels_crc32"] == reports[1]["pixels_crc32"] != 0
    assert all(isinstance(value, int | float) for value in reports[0].values())
    assert (reports[0]["pictures"], reports[0]["fps"], reports[0]["film_s"]) == (50, 25, 2.0)


def test_the_bundled_face_is_as_deterministic(tmp_path, monkeypatch):
    """Two faces seated one after the other draw the same film; another seed moves differently."""
    monkeypatch.setattr(assemble, "face", REAL_FACE)
    audio = wav(tmp_path / "a.wav", speech_like(1.0))
    for name, seed in (("a", 0), ("b", 0), ("c", 7)):
        render.run(Options(size=256, seed=seed), audio, tmp_path / f"{name}.mp4", report=tmp_path / f"{name}.json", quiet=True)
    first, again, other = (json.loads((tmp_path / f"{name}.json").read_text())["pixels_crc32"] for name in "abc")
    assert first == again != other


def test_progress_and_one_line_at_the_end(tmp_path, capsys):
    render.run(Options(), wav(tmp_path / "a.wav", beeps(2)), tmp_path / "talk.mp4")
    said = capsys.readouterr()
    assert "talk.mp4: 2.0 s, 50 pictures of 64x64 at 25 fps" in said.err and not said.out


def test_an_error_while_drawing_leaves_what_was_there(tmp_path, monkeypatch, paper_face):  # noqa: F811
    (tmp_path / "talk.mp4").write_bytes(b"the film before")
    audio = wav(tmp_path / "a.wav", beeps(3))
    whole = assemble.face

    def failing(options):
        face = whole(options)
        draw, count = face.animator.draw, iter(range(30))

        def fail_late(window):
            if next(count, None) is None:
                raise RuntimeError("no more")
            return draw(window)

        face.animator.draw = fail_late
        return face

    monkeypatch.setattr(assemble, "face", failing)
    with pytest.raises(RuntimeError, match="no more"):
        render.run(Options(), audio, tmp_path / "talk.mp4", quiet=True)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.wav", "talk.mp4"]
    assert (tmp_path / "talk.mp4").read_bytes() == b"the film before"


def test_an_error_while_encoding_reaches_the_user(tmp_path, monkeypatch):
    def full(self, picture):
        raise OutputError("no room left")

    monkeypatch.setattr(Mp4Writer, "show", full)
    with pytest.raises(OutputError, match="no room left"):
        render.run(Options(), wav(tmp_path / "a.wav", beeps(3)), tmp_path / "talk.mp4", quiet=True)
    assert [p.name for p in tmp_path.iterdir()] == ["a.wav"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_leaves_no_half_film(tmp_path, monkeypatch, number):
    whole, taken = Mp4Writer.show, []

    def stop_after_ten(self, picture):
        taken.append(picture.pts)
        if len(taken) == 10:
            os.kill(os.getpid(), number)
        return whole(self, picture)

    monkeypatch.setattr(Mp4Writer, "show", stop_after_ten)
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt):
        render.run(Options(), wav(tmp_path / "a.wav", beeps(60)), tmp_path / "talk.mp4", quiet=True)
    assert [p.name for p in tmp_path.iterdir()] == ["a.wav"]
    assert len(taken) < 1500 and signal.getsignal(signal.SIGTERM) is before


def test_wrong_names_before_any_work(tmp_path, paper_face):  # noqa: F811
    audio = wav(tmp_path / "a.wav", beeps(1))
    with pytest.raises(UsageError, match=r"ends in \.mp4"):
        render.run(Options(), audio, tmp_path / "talk.avi")
    with pytest.raises(MediaError, match="no such file"):
        render.run(Options(), tmp_path / "missing.wav", tmp_path / "talk.mp4")
    assert not paper_face                                                 # no portrait was prepared for it
    with pytest.raises(UsageError, match="cannot be created"):
        render.run(Options(), audio, tmp_path / "no" / "talk.mp4")
    with pytest.raises(UsageError, match="--report"):
        render.run(Options(), audio, tmp_path / "talk.mp4", report=tmp_path / "no" / "r.json", quiet=True)


def test_another_decoder_agrees(tmp_path):
    """FFmpeg's own command line, often another version, sees the same lengths."""
    import shutil

    if not shutil.which("ffprobe"):
        pytest.skip("needs ffprobe (apt install ffmpeg)")
    make(tmp_path, wav(tmp_path / "a.wav", beeps(3, 48_000), 48_000))
    asked = ["ffprobe", "-v", "error", "-show_entries", "stream=codec_name,start_time,duration", "-of", "json"]
    streams = json.loads(subprocess.run([*asked, str(tmp_path / "talk.mp4")], capture_output=True, check=True).stdout)["streams"]
    assert {s["codec_name"] for s in streams} == {"h264", "aac"}
    for stream in streams:
        assert float(stream["start_time"]) == 0 and abs(float(stream["duration"]) - 3) < 0.002


def test_an_outlet_without_opacity_is_named_once_and_only_where_it_matters(capsys):
    render.say_flat(Options(background="transparent"), "talk.mp4", quiet=False)
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "talk.mp4 cannot carry a transparent background" in said
    render.say_flat(Options(background="transparent"), "talk.mp4", quiet=True)
    render.say_flat(Options(background="green"), "talk.mp4", quiet=False)
    assert not capsys.readouterr().err
