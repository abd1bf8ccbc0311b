import dataclasses
import errno
import resource
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from limner.engine.errors import ContractError, OutputError, UsageError
from limner.streams.mp4 import Mp4Writer
from tests.streams.mp4_reader import beeps, chunks_of, flash_and_beep, lag, plain, read_film

SIZE = (64, 64)


def writer(folder: Path, **options) -> Mp4Writer:
    return Mp4Writer(folder / "film.mp4", **{"size": SIZE, "fps": 25, **options})


@pytest.mark.parametrize("live", [False, True])
@pytest.mark.parametrize("rate", [16_000, 48_000])
@pytest.mark.parametrize("fps", [24, 25, 30, 50, 60])
def test_flash_and_beep_meet_to_the_sample(tmp_path, fps, rate, live):
    out = writer(tmp_path, fps=fps, rate=rate, live=live)
    sound = flash_and_beep(out, fps, 3, rate, origin=777_777)
    out.close()
    film = read_film(out.path)
    assert film.first_sample == 0 and lag(film.sound, sound) == 0
    assert [t for t, luma in zip(film.times, film.luma, strict=True) if luma > 128] == [1.0, 2.0]
    assert len(film.times) == 3 * fps
    np.testing.assert_allclose(film.times, np.arange(3 * fps) / fps, atol=1 / 90_000)
    assert list(tmp_path.iterdir()) == [out.path]


def test_a_gap_in_the_sound_becomes_silence_and_an_overlap_is_cut(tmp_path):
    out, sound = writer(tmp_path), beeps(4)
    chunks = chunks_of(sound)
    for chunk in [*chunks[:60], *chunks[55:70], *chunks[110:]]:      # 0.1 s told twice, 0.8 s without a beep never told
        out.play(chunk)
    out.show(plain(0))
    out.close()
    assert lag(read_film(out.path).sound, sound) == 0


def test_uneven_pictures_keep_their_own_time(tmp_path):
    out = writer(tmp_path, live=True)
    for k in (0, 1, 2, 9, 10, 30):
        out.show(plain(k * 3600))
    assert not out.show(plain(10 * 3600)) and out.late == 1
    out.close()
    np.testing.assert_allclose(read_film(out.path).times, np.array([0, 1, 2, 9, 10, 30]) / 25, atol=1 / 90_000)


def test_the_same_input_gives_the_same_file(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    films = [writer(tmp_path / name) for name in "ab"]
    for film in films:
        flash_and_beep(film, 25, 2)
        film.close()
    assert films[0].path.read_bytes() == films[1].path.read_bytes()


def test_abort_offline_leaves_nothing_and_keeps_what_was_there(tmp_path):
    (tmp_path / "film.mp4").write_bytes(b"the film before")
    out = writer(tmp_path)
    out.show(plain(0))
    out.abort()
    assert [p.name for p in tmp_path.iterdir()] == ["film.mp4"]
    assert (tmp_path / "film.mp4").read_bytes() == b"the film before"


def test_nothing_written_makes_no_file(tmp_path):
    writer(tmp_path).close()
    assert not list(tmp_path.iterdir())


def test_silent_film_and_sound_alone_are_whole(tmp_path):
    out = writer(tmp_path)
    out.show(plain(0))
    out.close()
    assert len(read_film(out.path).times) == 1
    out = writer(tmp_path)
    for chunk in chunks_of(beeps(2)):
        out.play(chunk)
    out.close()
    assert lag(read_film(out.path).sound, beeps(2)) == 0


def test_nan_and_overs_do_not_reach_the_encoder(tmp_path):
    out = writer(tmp_path)
    out.play(chunks_of(np.float32([np.nan, np.inf, -9] * 2000))[0])
    out.show(plain(0))
    out.close()
    assert np.isfinite(read_film(out.path).sound).all()


KILLED = """
import os, sys
sys.path.insert(0, sys.argv[2])
from tests.streams.mp4_reader import flash_and_beep
from limner.streams.mp4 import Mp4Writer
out = Mp4Writer(sys.argv[1], size=(64, 64), fps=25, live=True)
flash_and_beep(out, 25, 8)
os.kill(os.getpid(), 9)
"""


def test_a_killed_recording_plays(tmp_path):
    subprocess.run([sys.executable, "-c", KILLED, str(tmp_path / "film.mp4"), str(Path(__file__).parents[2])], check=False)
    assert [p.name for p in tmp_path.iterdir()] == ["film.part.mp4"]
    film = read_film(tmp_path / "film.part.mp4")
    assert len(film.times) >= 4 * 25                       # all but the last fragments
    assert lag(film.sound, beeps(8)) == 0
    # the next recording under the same name leaves those remains alone
    out = writer(tmp_path, live=True)
    out.show(plain(0))
    out.close()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["film.mp4", "film.part.mp4"]


def boxes(path: Path) -> list[bytes]:
    """Types of the outermost ISO boxes (ISO/IEC 14496-12)."""
    data, at, found = path.read_bytes(), 0, []
    while at < len(data):
        size = int.from_bytes(data[at:at + 4], "big")
        found.append(data[at + 4:at + 8])
        at += size if size != 1 else int.from_bytes(data[at + 8:at + 16], "big")
    return found


@pytest.mark.parametrize("live", [False, True])
def test_a_finished_file_is_an_ordinary_one(tmp_path, live):
    out = writer(tmp_path, live=live)
    flash_and_beep(out, 25, 3)
    out.close()
    assert sorted(set(boxes(out.path)) - {b"free"}) == [b"ftyp", b"mdat", b"moov"]
    if not live:
        assert boxes(out.path).index(b"moov") < boxes(out.path).index(b"mdat")      # plays while it is still arriving


@pytest.mark.parametrize("live", [False, True])
def test_a_full_disk_is_one_clear_error(tmp_path, live):
    """The kernel's own file size limit stands in for the full disk."""
    noise = np.random.default_rng(0).integers(0, 256, (60, 96, 64), dtype=np.uint8)
    before, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    out = writer(tmp_path, live=live)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, before[1]))
    try:
        with pytest.raises(OutputError, match=r"film\.mp4: cannot be written .*choose another place"):
            for k, planes in enumerate(np.concatenate([noise] * 2)):
                out.show(dataclasses.replace(plain(k * 3600), planes=planes))
                out.play(chunks_of(np.zeros(640, np.float32), block=640, pts=k * 3600)[0])
            out.close()
        out.abort()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert [p.name for p in tmp_path.iterdir()] == (["film.part.mp4"] if live else [])
    if live:
        assert len(read_film(tmp_path / "film.part.mp4").times) >= 25          # its whole fragments


def test_the_message_names_a_full_disk(tmp_path):
    out = writer(tmp_path)
    assert "no room left on the disk" in str(out._failed(OSError(errno.ENOSPC, "No space left on device")))
    out.abort()


@pytest.mark.parametrize("target, found", [("missing/film.mp4", "No such file"), (".", "is a folder")])
def test_a_target_that_cannot_be_made(tmp_path, target, found):
    with pytest.raises(UsageError, match=found):
        Mp4Writer(tmp_path / target, size=SIZE, fps=25)
    assert not list(tmp_path.iterdir())


def test_what_does_not_fit_is_a_contract_error(tmp_path):
    out = writer(tmp_path)
    with pytest.raises(ContractError, match="picture of"):
        out.show(plain(0, (32, 32)))
    with pytest.raises(ContractError, match="48000"):
        out.play(chunks_of(beeps(1), 48_000)[0])
    out.abort()


def test_awkward_names_are_only_names(tmp_path):
    out = Mp4Writer(tmp_path / "http:a%03d:b.mp4", size=SIZE, fps=25)
    out.show(plain(0))
    out.close()
    assert [p.name for p in tmp_path.iterdir()] == ["http:a%03d:b.mp4"]


def test_a_picture_with_an_opacity_is_written_over_black(tmp_path):
    out = writer(tmp_path)
    for k, level in enumerate((255, 0)):
        out.show(dataclasses.replace(plain(k * 3600, luma=200), alpha=np.full(SIZE, level, np.uint8)))
    out.close()
    solid, clear = read_film(out.path).luma
    assert solid > 190 and clear < 20
