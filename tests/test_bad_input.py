"""What people really feed it: each input either works or ends in one clear line and the right exit status."""

import itertools
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest

from limner.clients.cli import main
from limner.models import modelfiles
from limner.streams import media
from tests.clients.faces import paper_face  # noqa: F401
from tests.streams.mp4_reader import read_film
from tests.streams.sounds import HOUR, encoded, float_wav, long_wav, tone, wav


@pytest.fixture
def limner(tmp_path, capsys, monkeypatch):
    """Call the command line in a folder of its own; gives (exit status, lines of stderr, the film or None)."""
    monkeypatch.chdir(tmp_path)

    def call(*args: object) -> tuple[int, list[str], Path | None]:
        try:
            status = main(["render", *map(str, args), "-o", "out.mp4", "--quiet"])
        except SystemExit as stop:                       # argparse
            status = stop.code
        out = tmp_path / "out.mp4"
        assert not list(tmp_path.glob("*.part*")), "a half written film was left"
        return status, capsys.readouterr().err.splitlines(), out if out.exists() else None

    return call


def nan_sound() -> np.ndarray:
    sound = tone(0.4)
    sound[::7], sound[1000], sound[2000] = np.nan, np.inf, -np.inf
    return sound


def cut(path: Path, keep: float) -> Path:
    path.write_bytes(path.read_bytes()[:int(path.stat().st_size * keep)])
    return path


def text(path: Path) -> Path:
    path.write_text("Dear all,\nthis is a letter and nothing else.\n" * 30)
    return path


WORKS = {
    "one sample": (lambda d: wav(d / "a.wav", np.float32([0.5])), 1),
    "8 channels at 96 kHz": (lambda d: wav(d / "a.wav", np.stack([tone(0.4, 96_000)] * 8, 1), 96_000), 10),
    "nan and infinity": (lambda d: float_wav(d / "a.wav", nan_sound()), 10),
    "clipping by far": (lambda d: float_wav(d / "a.wav", tone(0.4) * 1e6), 10),
    "8 kHz telephone": (lambda d: wav(d / "a.wav", tone(0.4, 8_000), 8_000), 10),
    "a film": (lambda d: encoded(d / "a.mp4", "aac", tone(0.4, 48_000), 48_000, video=True), None),
    "an mp3 called wav": (lambda d: encoded(d / "a.mp3", "libmp3lame", tone(0.4, 44_100), 44_100).rename(d / "a.wav"), None),
    "an mp4 cut short, index in front": (
        lambda d: cut(encoded(d / "a.mp4", "aac", tone(2, 48_000), 48_000, movflags="faststart"), 0.6), None),
    "a name with spaces and percent": (lambda d: wav(d / "a b %03d; $x.wav", tone(0.4)), 10),
    "a name that looks like an address": (lambda d: wav(d / "http:x.wav", tone(0.4)), 10),
}


@pytest.mark.parametrize("case", WORKS)
def test_odd_sound_that_works(tmp_path, limner, paper_face, case):  # noqa: F811
    make, pictures = WORKS[case]
    status, said, film = limner("--audio", make(tmp_path))
    assert (status, said) == (0, []) and film
    seen = read_film(film)
    assert len(seen.times) == pictures if pictures else len(seen.times) >= 8
    assert np.isfinite(seen.sound).all()


BAD_SOUND = {
    "no file": (lambda d: d / "missing.wav", "no such file"),
    "a folder": (lambda d: d, "cannot be opened"),
    "0 bytes": (lambda d: (d / "a.wav").touch() or d / "a.wav", "the file is empty"),
    "0 samples": (lambda d: wav(d / "a.wav", np.zeros(0, np.float32)), "no sample of sound"),
    "text called wav": (lambda d: text(d / "a.wav"), "not a sound or video file"),
    "text called mp4": (lambda d: text(d / "a.mp4"), "not a sound or video file"),
    "an mp4 cut short, no index": (lambda d: cut(encoded(d / "a.mp4", "aac", tone(2, 48_000), 48_000), 0.6), "not a sound or video"),
    "2 GHz in the header": (lambda d: patched(wav(d / "a.wav", tone(0.1)), 24, 2_000_000_000), "2000000000 Hz"),
    "a playlist": (lambda d: playlist(d), "not a sound or video file"),
    "random bytes": (lambda d: noise(d / "a.ogg"), "not a sound or video file"),
}


def patched(path: Path, at: int, value: int) -> Path:
    data = bytearray(path.read_bytes())
    data[at:at + 4] = struct.pack("<I", value)
    path.write_bytes(data)
    return path


def noise(path: Path) -> Path:
    path.write_bytes(np.random.default_rng(0).bytes(20_000))
    return path


def playlist(folder: Path) -> Path:
    (folder / "a.m3u8").write_text("#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n/etc/hostname\n#EXT-X-ENDLIST\n")
    return folder / "a.m3u8"


@pytest.mark.parametrize("case", BAD_SOUND)
def test_sound_that_cannot_be_used_is_one_line(tmp_path, limner, paper_face, case):  # noqa: F811
    make, found = BAD_SOUND[case]
    status, said, film = limner("--audio", make(tmp_path))
    assert status == 2 and film is None
    assert len(said) == 1 and said[0].startswith("limner render: ")
    assert found in said[0] and "expected" in said[0]
    assert not paper_face, "a face was prepared for nothing"


def test_four_hours_begin_at_once_and_stop_cleanly(tmp_path, limner, paper_face, monkeypatch):  # noqa: F811
    """Nothing reads ahead: by the time ten seconds are drawn, little more than ten seconds were read."""
    audio, read = long_wav(tmp_path / "a.wav", 4 * HOUR), []
    whole = media.frame_to_mono
    monkeypatch.setattr(media, "frame_to_mono", lambda frame: read.append(frame.samples) or whole(frame))
    limit = itertools.count()

    def interrupt_at_ten_seconds(self, picture):
        if next(limit) == 250:
            os.kill(os.getpid(), 2)
        return True

    monkeypatch.setattr("limner.streams.mp4.Mp4Writer.show", interrupt_at_ten_seconds)
    status, said, film = limner("--audio", audio)
    assert (status, said, film) == (130, ["limner render: interrupted"], None)
    assert sum(read) / 8_000 / 2 < 30                      # s, read twice: for the face and for the film


def picture(path: Path, width: int, height: int) -> Path:
    """A PNG whose header asks for that size; its pixels would not fit."""
    def block(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + block(b"IHDR", header) + block(b"IDAT", zlib.compress(bytes(99_999))) + block(b"IEND", b""))
    return path


BAD_PORTRAIT = {
    "no file": lambda d: d / "missing.jpg",
    "0 bytes": lambda d: (d / "p.jpg").touch() or d / "p.jpg",
    "text called jpg": lambda d: text(d / "p.jpg"),
    "20000 x 20000": lambda d: picture(d / "p.png", 20_000, 20_000),
    "a sound": lambda d: wav(d / "p.png", tone(0.1)),
    "a folder": lambda d: d,
}


@pytest.mark.parametrize("case", BAD_PORTRAIT)
def test_a_portrait_that_cannot_be_used_is_one_line(tmp_path, limner, case):
    portrait = BAD_PORTRAIT[case](tmp_path)
    status, said, film = limner("--audio", wav(tmp_path / "ok.wav", tone(0.2)), "--portrait", portrait)
    assert status == 2 and film is None
    assert len(said) == 1 and said[0].startswith("limner render: ") and len(said[0]) > 60


@pytest.fixture
def networks():
    """The portrait networks' files, or a skip: no test downloads."""
    pytest.importorskip("ai_edge_litert", reason="ai-edge-litert is not installed")
    if missing := [name for name in modelfiles.FILES if modelfiles.find(name) is None]:
        pytest.skip(f"{missing[0]} is not here: run 'python -m limner.models.modelfiles' once")


@pytest.mark.usefixtures("networks")
def test_a_cat_is_no_portrait(limner, shared, tmp_path):
    audio = wav(tmp_path / "ok.wav", tone(0.2))
    status, said, film = limner("--audio", audio, "--portrait", shared / "data/portrait/edge_cat_no_face.jpg")
    assert status == 2 and film is None and len(said) == 1 and "face" in said[0]


@pytest.mark.usefixtures("networks", "paper_face")
def test_of_four_faces_the_largest_is_taken_and_said(shared, tmp_path, capsys):
    audio, four = wav(tmp_path / "ok.wav", tone(0.2)), shared / "data/portrait/edge_four_faces.png"
    assert main(["render", "--audio", str(audio), "--portrait", str(four), "-o", str(tmp_path / "out.mp4")]) == 0
    said = capsys.readouterr().err
    assert "note: 4 faces were found; the largest is used" in said and len(read_film(tmp_path / "out.mp4").times) == 5


@pytest.mark.usefixtures("networks")
def test_of_four_faces_a_missing_one_is_said(limner, shared, tmp_path):
    audio, four = wav(tmp_path / "ok.wav", tone(0.2)), shared / "data/portrait/edge_four_faces.png"
    status, said, film = limner("--audio", audio, "--portrait", four, "--face", "7")
    assert status == 2 and film is None and len(said) == 1 and "face" in said[0]


BAD_USE = {
    "no audio": ([], "--audio"),
    "26 fps": (["--audio", "a.wav", "--fps", "26"], "expected one of 24, 25, 30, 50, 60"),
    "a rate in words": (["--audio", "a.wav", "--fps", "many"], "invalid int value"),
    "size 500": (["--audio", "a.wav", "--size", "500"], "multiple of 16"),
    "portrait and avatar": (["--audio", "a.wav", "--portrait", "a.jpg", "--avatar", "b"], "choose one"),
    "unknown animator": (["--audio", "a.wav", "--animator", "clay"], "clay"),
    "unknown avatar": (["--audio", "a.wav", "--avatar", "nobody"], "nobody"),
    "no such config": (["--audio", "a.wav", "--config", "no.toml"], "no.toml"),
}


@pytest.mark.parametrize("case", BAD_USE)
def test_wrong_use_is_said(tmp_path, limner, case):
    args, found = BAD_USE[case]
    wav(tmp_path / "a.wav", tone(0.2))
    status, said, film = limner(*args)
    assert status == 2 and film is None and found in said[-1]
    assert "Traceback" not in "".join(said)
