import dataclasses

import av
import numpy as np

from limner.engine.clock import TICKS, ticks_from_samples
from limner.engine.testing import check_sink
from limner.engine.types import AudioChunk, Picture
from limner.streams.encode import VideoEncoder
from limner.streams.sinks.webrtc import VIDEO_QUEUE, Viewer, WebRTCSink

SIZE = (64, 64)


def picture(n: int) -> Picture:
    planes = np.random.default_rng(n).integers(16, 235, (96, 64), dtype=np.uint8)
    return Picture(planes, SIZE, n * TICKS // 25, captured_ns=0)


def sound(n: int) -> AudioChunk:
    return AudioChunk(np.full(320, 0.1, np.float32), 16000, n * 320, ticks_from_samples(n * 320), 0)


def watching(sink: WebRTCSink, codec: str = "h264") -> Viewer:
    """A viewer whose connection has begun to ask for packets."""
    viewer = sink.viewer()
    viewer.codec = codec
    for track in (viewer.video, viewer.audio):
        track.flowing = True
    viewer.want_key()
    return viewer


async def shown(sink: WebRTCSink, numbers) -> None:
    for n in numbers:
        await sink.show(picture(n))
        await sink.play(sound(n))
    await sink._encoding


def queued(track) -> list:
    return list(track._packets)


def decoded(viewer: Viewer) -> np.ndarray:
    """Luma of the first picture, as a browser would see it."""
    decoder = av.CodecContext.create("h264", "r")
    frames = [f for packet in [*queued(viewer.video), None] for f in decoder.decode(packet)]
    return frames[0].to_ndarray(format="gray")


async def test_it_keeps_the_contract_of_a_sink():
    await check_sink(WebRTCSink(SIZE, 25))


async def test_one_encode_serves_every_viewer():
    async with WebRTCSink(SIZE, 25) as sink:
        viewers = [watching(sink) for _ in range(3)]
        await shown(sink, range(4))
        streams = [[(p.pts, bytes(p)) for p in queued(v.video)] for v in viewers]
        assert streams[0] == streams[1] == streams[2]
        assert [pts for pts, _ in streams[0]] == [n * TICKS // 25 for n in range(4)]
        assert all(a is b for a, b in zip(queued(viewers[0].video), queued(viewers[1].video), strict=True))


async def test_nothing_is_encoded_while_nobody_watches():
    async with WebRTCSink(SIZE, 25) as sink:
        sink.viewer()                                        # here, but not connected yet
        await shown(sink, range(3))
        assert not sink._encoders and sink.bytes_sent == 0


async def test_each_codec_is_encoded_for_those_who_asked_for_it():
    async with WebRTCSink(SIZE, 25) as sink:
        modern, old = watching(sink), watching(sink, "vp8")
        await shown(sink, range(2))
        assert bytes(queued(modern.video)[0])[:4] == b"\x00\x00\x00\x01"      # an H.264 start code
        assert bytes(queued(old.video)[0])[3:6] == b"\x9d\x01\x2a"             # a VP8 key frame's start code (RFC 6386 9.1)


async def test_a_late_comer_begins_with_a_key_frame():
    async with WebRTCSink(SIZE, 25) as sink:
        watching(sink)
        await shown(sink, range(3))
        late = watching(sink)
        await shown(sink, range(3, 6))
        assert [p.is_keyframe for p in queued(late.video)] == [True, False, False]


async def test_a_viewer_that_stalls_starts_again_at_a_key_frame_and_harms_nobody():
    async with WebRTCSink(SIZE, 25) as sink:
        stalled, fine = watching(sink), watching(sink)
        received = []
        for n in range(VIDEO_QUEUE + 4):
            await shown(sink, [n])
            received += [queued(fine.video)[-1]]
            fine.video.clear()
        assert len(received) == VIDEO_QUEUE + 4 and fine.video.dropped == 0
        assert stalled.video.dropped == sink.packets_dropped == 1
        assert queued(stalled.video)[0].is_keyframe and queued(stalled.video)[0].pts > 0


async def test_the_weakest_viewer_sets_the_bitrate():
    async with WebRTCSink(SIZE, 25, ceiling=2_000_000) as sink:
        weak, strong = watching(sink), watching(sink)
        strong.estimate(5_000_000)
        await shown(sink, [0])
        assert sink._encoders["h264", False].bitrate == 2_000_000
        weak.estimate(500_000)
        await shown(sink, [1])
        assert sink._encoders["h264", False].bitrate == 500_000
        sink.remove(weak)
        await shown(sink, [2])
        assert sink._encoders["h264", False].bitrate == 2_000_000


async def test_both_tracks_share_one_epoch():
    async with WebRTCSink(SIZE, 25) as sink:
        await shown(sink, [5])
        assert sink.epoch.ntp(TICKS) - sink.epoch.ntp(0) == 1 << 32           # one second of NTP per second of media
        first = sink.epoch.ntp(0)
        await shown(sink, [50])
        assert sink.epoch.ntp(0) == first


async def test_a_viewer_that_left_gets_nothing_more():
    async with WebRTCSink(SIZE, 25) as sink:
        gone = watching(sink)
        sink.remove(gone)
        sink.remove(gone)
        await shown(sink, [0])
        assert not queued(gone.video) and gone.video.readyState == "ended"


async def test_who_takes_the_opacity_gets_it_below_the_picture_and_the_others_see_black():
    alpha = np.zeros(SIZE, np.uint8)
    alpha[:, :32] = 255
    bright = dataclasses.replace(picture(0), planes=np.repeat(np.uint8([200, 128]), (64 * 64, 32 * 64)).reshape(96, 64), alpha=alpha)
    async with WebRTCSink(SIZE, 25) as sink:
        plain, cut = watching(sink), sink.viewer(alpha=True)
        cut.video.flowing = True
        await sink.show(bright)
        await sink._encoding
        flat, tall = (decoded(viewer) for viewer in (plain, cut))
    assert flat.shape == (64, 64) and tall.shape == (128, 64)
    # Inside each half, away from the edge that compression blurs; levels of 8 bits.
    assert np.abs(flat[:, 4:28].astype(int) - tall[:64, 4:28]).max() < 8 and flat[:, 36:60].max() < 24
    assert tall[:64, 36:60].min() > 150                                   # straight colours reach beyond the edge
    assert tall[64:, 4:28].min() > 230 and tall[64:, 36:60].max() < 24


async def test_a_viewer_who_takes_the_opacity_of_an_opaque_picture_sees_all_of_it():
    async with WebRTCSink(SIZE, 25) as sink:
        viewer = sink.viewer(alpha=True)
        viewer.video.flowing = True
        await sink.show(picture(0))
        await sink._encoding
        tall = decoded(viewer)
    assert tall.shape == (128, 64) and tall[64:].min() > 230


async def test_who_comes_while_a_picture_is_encoded_gets_the_key_frame_made_for_them(monkeypatch):
    async with WebRTCSink(SIZE, 25) as sink:
        watching(sink)
        await shown(sink, range(3))
        late, encode = sink.viewer(), VideoEncoder.encode

        def joined(encoder, shown):
            late.video.flowing = True                        # on the encoder's thread, just before it begins
            late.want_key()
            return encode(encoder, shown)

        monkeypatch.setattr(VideoEncoder, "encode", joined)
        await sink.show(picture(3))
        await sink._encoding
        assert [packet.is_keyframe for packet in queued(late.video)] == [True]
