import itertools

import av
import numpy as np
import pytest

from limner.engine.clock import TICKS, ticks_from_samples
from limner.engine.types import AudioChunk, Picture
from limner.streams.encode import MAX_BITRATE, MIN_BITRATE, OpusEncoder, VideoEncoder, fitting_bitrate

SIZE = (96, 128)


def picture(n: int, size=SIZE) -> Picture:
    """A pattern that moves, with enough detail to cost bits."""
    height, width = size
    y, x = np.mgrid[:height, :width]
    luma = 128 + 60 * np.sin((x + 5 * n) / 3) * np.cos((y - 3 * n) / 4)
    noise = np.random.default_rng(n).integers(-20, 20, (height, width))
    planes = np.full((height * 3 // 2, width), 128, np.uint8)
    planes[:height] = np.clip(luma + noise, 16, 235)
    return Picture(planes, size, n * TICKS // 25, captured_ns=0)


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    return 10 * np.log10(255**2 / np.mean((a.astype(float) - b.astype(float)) ** 2))


@pytest.mark.parametrize(("codec", "decoder"), [("h264", "h264"), ("vp8", "vp8")])
def test_each_picture_gives_its_packet_and_decodes_to_itself(codec, decoder):
    encoder = VideoEncoder(codec, SIZE, 25, ceiling=2_000_000)
    context = av.CodecContext.create(decoder, "r")
    for n in range(10):
        packets = encoder.encode(picture(n))
        assert [p.pts for p in packets] == [n * TICKS // 25]          # no delay, no reordering
        assert packets[0].is_keyframe == (n == 0)
        decoded = [f for p in packets for f in context.decode(p)]
        # 25 dB: clearly the same picture; measured 30 and more, noise being what is lost
        assert all(psnr(f.to_ndarray(format="yuv420p")[:96], picture(n).planes[:96]) > 25 for f in decoded)


@pytest.mark.parametrize("codec", ["h264", "vp8"])
def test_a_key_frame_comes_when_asked_for_and_only_then(codec):
    encoder = VideoEncoder(codec, SIZE, 25)
    keys = []
    for n in range(60):
        if n in (20, 21, 45):
            encoder.force_key()
        keys += [n for p in encoder.encode(picture(n)) if p.is_keyframe]
    assert keys == [0, 20, 21, 45]


def test_h264_is_what_every_browser_decodes():
    """Constrained Baseline, headers in band before each key frame (RFC 6184 section 8.1: profile_idc 66, constraint_set1)."""
    data = bytes(VideoEncoder("h264", SIZE, 25).encode(picture(0))[0])
    sps = data.index(b"\x00\x00\x01\x67") + 4
    assert data[sps] == 66 and data[sps + 1] & 0x40
    assert b"\x00\x00\x01\x68" in data                                  # the PPS


@pytest.mark.parametrize("codec", ["h264", "vp8"])
def test_the_bitrate_follows_the_target(codec):
    size, encoder = (256, 256), VideoEncoder(codec, (256, 256), 25, ceiling=2_400_000)
    encoder.encode(picture(0, size))
    encoder.bitrate = 600_000
    sizes = [sum(p.size for p in encoder.encode(picture(n, size))) for n in range(1, 101)]
    sent = sum(sizes[25:]) * 8 / 3                                       # bit/s over the last 3 s
    assert 300_000 < sent < 800_000                                      # rate control needs a second; noise is hard to hit


def test_the_bitrate_is_clamped():
    encoder = VideoEncoder("h264", SIZE, 25, ceiling=1_000_000)
    for asked, got in ((10, MIN_BITRATE), (10**9, 1_000_000), (400_000, 400_000)):
        encoder.bitrate = asked
        assert encoder.bitrate == got


def test_bigger_and_faster_pictures_get_more_bits():
    rates = [fitting_bitrate((n, n), 25) for n in (256, 512, 1024)]
    assert rates == sorted(rates) and rates[1] == 2_500_000
    assert fitting_bitrate((512, 512), 50) > rates[1]
    assert fitting_bitrate((8192, 8192), 60) == MAX_BITRATE


def tone(seconds: float) -> np.ndarray:
    t = np.arange(int(seconds * 16000)) / 16000
    return (0.4 * np.sin(2 * np.pi * 300 * t) * np.sin(2 * np.pi * 2 * t) ** 2).astype(np.float32)


def chunks(samples: np.ndarray, sizes) -> list[AudioChunk]:
    at, out = 0, []
    for size in itertools.cycle(sizes):
        if at >= len(samples):
            return out
        out.append(AudioChunk(samples[at : at + size], 16000, at, ticks_from_samples(at), 0))
        at += size


def packets(samples: np.ndarray, sizes) -> list[tuple[int, bytes]]:
    encoder = OpusEncoder()
    return [(p.pts, bytes(p)) for chunk in chunks(samples, sizes) for p in encoder.encode(chunk)]


def test_sound_in_any_chunks_gives_the_same_packets():
    whole = packets(tone(1), [320])
    assert len(whole) == 50
    for sizes in ([160], [1, 700, 319], [16000]):
        assert packets(tone(1), sizes) == whole


def test_sound_comes_back_at_its_own_time():
    """Decoded at the packets' pts, the sound lies on the original: the codec's look-ahead is in the pts."""
    sound, decoder = tone(1), av.CodecContext.create("libopus", "r")
    decoder.layout = "mono"
    out, first = [], None
    for pts, data in packets(sound, [320]):
        first = pts if first is None else first
        out += [f.to_ndarray()[0] for f in decoder.decode(av.Packet(data))]
    decoded = np.concatenate(out)[::3] / 32768
    shifts = [np.dot(decoded[-first + d : 12000 - first + d], sound[:12000]) for d in range(-40, 41)]
    assert abs(int(np.argmax(shifts)) - 40) <= 8                        # half a millisecond: the codec's filters bend phase
    assert first == -104                                                # 6.5 ms, RFC 6716's look-ahead at this setting


def test_a_jump_in_time_moves_the_packets():
    encoder, sound = OpusEncoder(), tone(1)
    before = [p.pts for c in chunks(sound[:3200], [320]) for p in encoder.encode(c)]
    later = AudioChunk(sound[:640], 16000, 9600, ticks_from_samples(9600), 0)
    after = [p.pts for p in encoder.encode(later)]
    assert before[-1] == 9 * 320 - 104 and after == [9600 - 104, 9920 - 104]


def test_h264_says_which_colours_it_means():
    encoder, decoder = VideoEncoder("h264", SIZE, 25), av.CodecContext.create("h264", "r")
    frames = [f for packet in [*encoder.encode(picture(0)), None] for f in decoder.decode(packet)]
    assert (frames[0].colorspace, frames[0].color_range) == (6, 1)       # BT.601, limited: ISO/IEC 23091-2
