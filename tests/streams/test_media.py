import io
import itertools
import tracemalloc

import numpy as np
import pytest

from limner.engine.clock import TICKS
from limner.engine.errors import MediaError
from limner.streams.audio import resample
from limner.streams.media import decode_mono, probe, read_chunks
from tests.streams.mp4_reader import lag
from tests.streams.sounds import encoded, float_wav, long_wav, tone, wav


def heard(file, rate: int = 16_000) -> np.ndarray:
    return np.concatenate(list(decode_mono(file, rate)))


@pytest.mark.parametrize("rate, channels", [(8_000, 1), (16_000, 1), (44_100, 2), (48_000, 1), (96_000, 8)])
def test_pcm_comes_out_as_it_went_in(tmp_path, rate, channels):
    sound = tone(0.5, rate)
    got = heard(wav(tmp_path / "a.wav", np.stack([sound] * channels, 1), rate))
    np.testing.assert_allclose(got, resample(sound, rate), atol=2e-4)       # 16-bit steps, then the resampler
    info = probe(tmp_path / "a.wav")
    assert (info.rate, info.channels, info.duration) == (rate, channels, TICKS // 2)


@pytest.mark.parametrize(("codec", "error"), [
    ("pcm_u8", 0.01), ("pcm_s16be", 1e-4), ("pcm_s24le", 1e-6), ("pcm_s32le", 1e-6), ("pcm_s64le", 1e-6), ("pcm_f32le", 0), ("pcm_f64le", 1e-6)])
def test_samples_of_every_kind(tmp_path, codec, error):
    sound = tone(0.1)
    np.testing.assert_allclose(heard(encoded(tmp_path / "a.nut", codec, sound, 16_000)), sound, atol=error)


@pytest.mark.parametrize("name, codec, rate, video", [
    ("a.mp3", "libmp3lame", 44_100, False), ("a.m4a", "aac", 48_000, False), ("a.ogg", "libopus", 48_000, False),
    ("b.ogg", "vorbis", 44_100, False), ("a.flac", "flac", 22_050, False), ("a.mp4", "aac", 44_100, True),
    ("a.mkv", "pcm_s16le", 48_000, True), ("a.webm", "libopus", 48_000, False), ("a.aac", "aac", 48_000, False)])
def test_every_usual_container(tmp_path, name, codec, rate, video):
    burst = np.concatenate([np.zeros(rate // 2), tone(0.2, rate, 700), np.zeros(rate // 2)]).astype(np.float32)
    got = heard(encoded(tmp_path / name, codec, burst, rate, video=video))
    want = resample(burst, rate)
    assert abs(lag(got, want)) <= (0 if name != "a.aac" else 400)     # raw ADTS has nowhere to say its 1024 priming
    # codecs round up to whole frames; Vorbis' first block is shorter than its others
    assert abs(len(got) - len(want)) < 2048


def test_chunks_are_gap_free_and_the_last_one_is_short(tmp_path):
    path = wav(tmp_path / "a.wav", tone(1.005, 48_000), 48_000)
    chunks = list(read_chunks(path))
    assert [c.start for c in chunks] == list(range(0, 16_080, 320))
    assert [len(c.samples) for c in chunks] == [320] * 50 + [80]
    assert all(c.pts == c.start * 90 // 16 and c.rate == 16_000 for c in chunks)
    np.testing.assert_array_equal(np.concatenate([c.samples for c in chunks]), heard(path))


def test_any_block_gives_the_same_sound(tmp_path):
    path = wav(tmp_path / "a.wav", tone(0.7, 44_100), 44_100)
    for block in (1, 160, 333, 100_000):
        got = np.concatenate([c.samples for c in read_chunks(path, block=block)])
        np.testing.assert_array_equal(got, heard(path))


def test_an_open_file_is_read_too(tmp_path):
    data = wav(tmp_path / "a.wav", tone(0.3)).read_bytes()
    np.testing.assert_array_equal(heard(io.BytesIO(data)), heard(tmp_path / "a.wav"))


def test_nan_and_infinity_become_silence_and_full_scale(tmp_path):
    sound = np.full(1600, np.nan, np.float32)
    sound[800:900], sound[1000] = np.inf, 0.25
    got = heard(float_wav(tmp_path / "a.wav", sound))
    assert not got[:800].any() and (got[800:900] == 1).all() and got[1000] == np.float32(0.25)


def test_one_sample_is_a_sound(tmp_path):
    assert len(heard(wav(tmp_path / "a.wav", np.float32([0.5]), 48_000))) == 1


def test_four_hours_stream_in_bounded_memory(tmp_path):
    path = long_wav(tmp_path / "a.wav")
    assert path.stat().st_blocks * 512 < 1_000_000
    tracemalloc.start()
    total = sum(len(c.samples) for c in itertools.islice(read_chunks(path, block=16_000), 300))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert total == 300 * 16_000 and probe(path).duration == 4 * 3600 * TICKS
    assert peak < 2_000_000          # five minutes held would be 19 MB, four hours 920 MB


def test_a_film_cut_short_is_heard_up_to_the_cut(tmp_path):
    path = encoded(tmp_path / "a.mp4", "aac", tone(4, 48_000), 48_000, movflags="faststart")
    whole, data = heard(path), path.read_bytes()
    path.write_bytes(data[:len(data) * 2 // 3])
    got = heard(path)
    assert len(whole) * 0.5 < len(got) < len(whole) * 0.75
    np.testing.assert_array_equal(got[:-2048], whole[:len(got) - 2048])


def test_a_damaged_packet_is_left_out(tmp_path):
    path = encoded(tmp_path / "a.mp3", "libmp3lame", tone(3, 44_100), 44_100)
    data = bytearray(path.read_bytes())
    data[len(data) // 2:len(data) // 2 + 3000] = bytes(range(250)) * 12
    path.write_bytes(bytes(data))
    assert len(heard(path)) > 2 * 16_000


BAD = {
    "nothing.wav": (b"", "is empty"),
    "text.wav": (b"hello, I am a letter\n" * 40, "not a sound or video file"),
    "text.jpg": (b"hello, I am a letter\n" * 40, "no sound in it"),
    "noise.mp4": (np.random.default_rng(0).bytes(5000), "not a sound or video file"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_media_is_one_clear_line(tmp_path, name):
    data, found = BAD[name]
    (tmp_path / name).write_bytes(data)
    with pytest.raises(MediaError, match=found) as caught:
        heard(tmp_path / name)
    assert name in str(caught.value) and "expected" in str(caught.value) and "\n" not in str(caught.value)


def test_a_film_without_its_index_is_one_clear_line(tmp_path):
    path = encoded(tmp_path / "a.mp4", "aac", tone(4, 48_000), 48_000)       # index at the end
    path.write_bytes(path.read_bytes()[:20_000])
    with pytest.raises(MediaError, match="not a sound or video file"):
        heard(path)


def test_no_samples_no_track_no_file_no_folder(tmp_path):
    with pytest.raises(MediaError, match="no sample of sound"):
        heard(wav(tmp_path / "a.wav", np.zeros(0, np.float32)))
    with pytest.raises(MediaError, match="no such file"):
        heard(tmp_path / "missing.wav")
    with pytest.raises(MediaError, match="cannot be opened"):
        heard(tmp_path)
    with pytest.raises(MediaError, match="no such file"):
        heard("http://127.0.0.1:1/a.wav")


def test_an_absurd_header_is_refused_before_decoding(tmp_path):
    data = bytearray(wav(tmp_path / "a.wav", tone(0.1)).read_bytes())
    data[24:28] = (2_000_000_000).to_bytes(4, "little")
    (tmp_path / "a.wav").write_bytes(data)
    with pytest.raises(MediaError, match="2000000000 Hz"):
        heard(tmp_path / "a.wav")


@pytest.mark.parametrize("text", ["#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{}\n#EXT-X-ENDLIST\n",
                                  "ffconcat version 1.0\nfile {}\n"])
def test_a_playlist_cannot_name_other_files(tmp_path, text):
    """An uploaded playlist must not make the server read its own files or call an address."""
    secret = encoded(tmp_path / "secret.ts", "aac", tone(1, 48_000), 48_000)
    for body in (text.format(secret), text.format("secret.ts"), text.format("http://127.0.0.1:1/a.ts")):
        (tmp_path / "list.m3u8").write_text(body)
        for file in (tmp_path / "list.m3u8", io.BytesIO(body.encode())):
            with pytest.raises(MediaError):
                heard(file)


def test_real_speech(shared):
    for path in itertools.chain((shared / "data/speech").glob("*.[wm][ap][v3]"), (shared / "data/video").glob("*.mpg")):
        sound, duration = heard(path), probe(path).duration
        assert abs(len(sound) / 16_000 - duration / TICKS) < 0.2, path.name
        assert np.abs(sound).max() > 0.05
