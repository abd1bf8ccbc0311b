"""Two real connections over loopback: aiortc's own client plays the browser."""

import asyncio
import itertools

import numpy as np
import pytest
from aiortc import AudioStreamTrack, RTCPeerConnection, RTCSessionDescription
from aiortc.rtp import RtcpSrPacket
from hypothesis import given, settings
from hypothesis import strategies as st

from limner.engine.clock import TICKS
from limner.engine.errors import TooLarge, UsageError
from limner.engine.types import AudioChunk, Picture
from limner.streams.peer import MAX_SDP, Peer, check_offer, parse_fragment, preferred_codecs
from limner.streams.sinks.webrtc import WebRTCSink
from tests.streams.loopback import loopback  # noqa: F401 - a fixture

SIZE = (64, 64)
PATIENCE = 20                  # s; only a broken connection ever waits so long


def picture(pts: int, grey: int) -> Picture:
    planes = np.full((SIZE[0] * 3 // 2, SIZE[1]), 128, np.uint8)
    planes[: SIZE[0]] = grey
    return Picture(planes, SIZE, pts, captured_ns=0)


async def offer_of(client: RTCPeerConnection, *, microphone: bool = True, video: bool = True) -> str:
    client.addTransceiver(AudioStreamTrack() if microphone else "audio", direction="sendrecv" if microphone else "recvonly")
    if video:
        client.addTransceiver("video", direction="recvonly")
    client.createDataChannel("limner")
    await client.setLocalDescription(await client.createOffer())
    return client.localDescription.sdp


async def connect(client: RTCPeerConnection, peer: Peer, offer: str) -> None:
    await client.setRemoteDescription(RTCSessionDescription(await peer.answer(offer), "answer"))


def only_codec(offer: str, name: str) -> str:
    """The offer as a browser without the other video codecs would write it."""
    head, video, tail = offer.partition("m=video")
    lines = tail.splitlines()
    rest = next((i for i, line in enumerate(lines) if line.startswith("m=")), len(lines))
    numbers = {line.split(":")[1].split()[0] for line in lines[:rest] if line.startswith("a=rtpmap") and name in line}
    first = " ".join(["", *lines[0].split()[:2], *sorted(numbers)])
    kept = [line for line in lines[1:rest] if not line.startswith(("a=rtpmap", "a=fmtp", "a=rtcp-fb"))
            or line.split(":")[1].split()[0] in numbers]
    return head + video + "\r\n".join([first, *kept, *lines[rest:]]) + "\r\n"


async def pump(sink: WebRTCSink, stop: asyncio.Event) -> None:
    """Pictures and sound as fast as the loop turns, each at its own media time."""
    n = 0
    while not stop.is_set():
        await sink.show(picture(n * TICKS // 50, 60 + n % 100))
        tone = 0.3 * np.sin(np.arange(n * 320, n * 320 + 320) * 0.2).astype(np.float32)
        await sink.play(AudioChunk(tone, 16000, n * 320, n * TICKS // 50, 0))
        n += 1
        await asyncio.sleep(0.005)


@pytest.mark.parametrize(("name", "codec"), [("H264", "h264"), ("VP8", "vp8")])
async def test_a_browser_hears_sees_and_is_heard(name, codec):
    client, sink, stop = RTCPeerConnection(), WebRTCSink(SIZE, 50), asyncio.Event()
    viewer = sink.viewer()
    peer = Peer(viewer)
    tracks = []
    client.on("track", tracks.append)
    try:
        async with asyncio.timeout(PATIENCE), sink:
            await connect(client, peer, only_codec(await offer_of(client), name))
            assert viewer.codec == codec
            pumping = asyncio.create_task(pump(sink, stop))
            sound, pictures = sorted(tracks, key=lambda t: t.kind)
            frames = [await pictures.recv() for _ in range(5)]
            heard = [await sound.recv() for _ in range(20)]
            voice = await anext(aiter(peer.microphone))
            stop.set()
            await pumping
    finally:
        await client.close()
        await peer.close()
    assert [(f.height, f.width) for f in frames] == [SIZE] * 5
    assert {b.pts - a.pts for a, b in itertools.pairwise(frames)} == {TICKS // 50}    # the media's own time
    assert np.abs(heard[-1].to_ndarray()).max() > 1000
    assert voice.rate == 16000 and len(voice.samples)
    assert peer.hears and peer.closed.is_set()


async def test_sender_reports_carry_media_time():
    """Both tracks' reports must map the same media instant to the same wall-clock time, however late a packet left."""
    reports = {}
    client, sink, stop = RTCPeerConnection(), WebRTCSink(SIZE, 50), asyncio.Event()
    viewer = sink.viewer()
    peer = Peer(viewer)
    try:
        async with asyncio.timeout(PATIENCE), sink:
            offer = await offer_of(client)
            seen = asyncio.Event()
            await connect(client, peer, offer)
            for receiver in client.getReceivers():
                handle = receiver._handle_rtcp_packet

                async def watch(packet, handle=handle, kind=receiver.track.kind):
                    if isinstance(packet, RtcpSrPacket):
                        track = viewer.audio if kind == "audio" else viewer.video
                        reports[kind] = (packet.sender_info.ntp_timestamp, track.sent)
                        if len(reports) == 2:
                            seen.set()
                    await handle(packet)

                receiver._handle_rtcp_packet = watch
            pumping = asyncio.create_task(pump(sink, stop))
            await seen.wait()
            stop.set()
            await pumping
    finally:
        await client.close()
        await peer.close()
    zeros = [ntp - (pts << 32) // TICKS for ntp, pts in reports.values()]
    # The packet may have been followed by another before the report was read here: at most some 20 ms frames.
    assert abs(zeros[0] - zeros[1]) / 2**32 < 0.2
    assert abs(zeros[0] - viewer.epoch.ntp(0)) / 2**32 < 0.2


async def test_messages_go_both_ways():
    client, sink, got = RTCPeerConnection(), WebRTCSink(SIZE, 50), asyncio.Queue()
    peer = Peer(sink.viewer(), on_message=got.put_nowait)
    channel = client.createDataChannel("limner")
    back = asyncio.Queue()
    channel.on("message", back.put_nowait)
    channel.on("open", lambda: [channel.send(text) for text in ("junk", "[1]", "[" * 20_000, b"\xff", '{"interrupt": true}')])
    try:
        async with asyncio.timeout(PATIENCE):
            client.addTransceiver("video", direction="recvonly")
            await client.setLocalDescription(await client.createOffer())
            await connect(client, peer, client.localDescription.sdp)
            assert await got.get() == {"interrupt": True}        # junk and non-objects were passed over
            peer.tell({"fps": 25})
            assert await back.get() == '{"fps":25}'
    finally:
        await client.close()
        await peer.close()


async def test_the_peer_closes_when_the_other_side_does():
    client, sink = RTCPeerConnection(), WebRTCSink(SIZE, 50)
    peer = Peer(sink.viewer())
    async with asyncio.timeout(PATIENCE):
        await connect(client, peer, await offer_of(client, microphone=False))
        await peer._connected.wait()
        await client.close()
        await peer.closed.wait()
    assert not peer.hears


async def test_a_peer_that_never_connects_is_given_up(monkeypatch):
    monkeypatch.setattr("limner.streams.peer.CONNECT_WITHIN", 0.01)
    client, peer = RTCPeerConnection(), Peer()
    await peer.answer(await offer_of(client, video=False))
    async with asyncio.timeout(PATIENCE):
        await peer.closed.wait()
    await client.close()


@pytest.mark.parametrize("text", ["", "hello", '{"sdp": 1}', "v=0", "v=0\r\nm=video", "v=0\r\nm=video 9 X Y\r\na=mid:\xff",
                                  "v=0\r\na=group:BUNDLE 0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:0\r\n"])
async def test_junk_instead_of_an_offer_is_one_line(text):
    peer = Peer(WebRTCSink(SIZE, 25).viewer())
    with pytest.raises(UsageError) as caught:
        await peer.answer(text)
    assert "\n" not in str(caught.value) and peer.closed.is_set()


async def test_an_offer_without_a_codec_in_common_is_refused():
    client, peer = RTCPeerConnection(), Peer(WebRTCSink(SIZE, 25).viewer())
    offer = only_codec(await offer_of(client), "AV1")
    with pytest.raises(UsageError, match=r"H\.264 or VP8"):
        await peer.answer(offer)
    await client.close()


OFFER = """v=0
o=- 1 1 IN IP4 0.0.0.0
s=-
t=0 0
a=group:BUNDLE 0
m=video 9 UDP/TLS/RTP/SAVPF 96
c=IN IP4 0.0.0.0
a=mid:0
a=recvonly
a=rtcp-mux
a=rtpmap:96 VP8/90000
a=rtcp-fb:96 nack pli
a=ice-ufrag:abcd
a=ice-pwd:abcdefghijklmnopqrstuv
a=fingerprint:sha-256 00:11
a=setup:actpass
a=candidate:1 1 udp 1 127.0.0.1 9 typ host
"""


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_no_damaged_offer_gets_past_one_line(data):
    """Lines lost, doubled or overwritten with junk: an answer, or UsageError; nothing else and nothing left open."""
    lines = OFFER.splitlines()
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(lines) - 1))
        cut = data.draw(st.integers(0, len(lines[at])))
        junk = data.draw(st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), max_size=12))
        lines[at : at + 1] = data.draw(st.sampled_from([[], [lines[at]] * 2, [lines[at][:cut] + junk], [junk + lines[at][cut:]]]))
        lines = lines or ["v=0"]

    async def answer():
        peer = Peer(WebRTCSink(SIZE, 25).viewer(), hears=False)
        try:
            async with asyncio.timeout(PATIENCE):
                await peer.answer("\r\n".join(lines) + "\r\n")
        except UsageError as error:
            assert "\n" not in str(error)
        finally:
            await peer.close()

    asyncio.run(answer())


def test_a_huge_offer_is_refused_unread():
    with pytest.raises(TooLarge):
        check_offer("v=0" + " " * MAX_SDP, sees=True)


def test_only_opus_is_taken_and_h264_comes_first():
    assert [c.mimeType for c in preferred_codecs("audio")] == ["audio/opus"]
    assert preferred_codecs("video")[0].mimeType == "video/H264"


def test_a_trickle_fragment_is_read():
    line = "1 1 UDP 2122252543 127.0.0.1 40000 typ host"
    assert parse_fragment(f"a=ice-ufrag:x\r\na=mid:0\r\na=candidate:{line}\r\n") == [("0", line)]
    assert parse_fragment("a=end-of-candidates\r\n") == []
    with pytest.raises(UsageError):
        parse_fragment("{}")


async def test_a_broken_candidate_is_one_line():
    peer = Peer()
    with pytest.raises(UsageError, match="candidate"):
        await peer.add_candidates("a=mid:0\r\na=candidate:junk\r\n")
    await peer.close()
