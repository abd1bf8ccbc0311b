"""Real peers in bad weather, and one that is gone without a word, against the whole HTTP server."""

import asyncio
import contextlib
import random

import aioice.ice
import av
import pytest
from aiortc import RTCPeerConnection
from aiortc.mediastreams import MediaStreamError
from aiortc.rtp import RtpPacket

from limner.clients.weather import Weather
from limner.streams.peer import Peer
from limner.streams.rtc import VoiceTap
from tests.clients.serving import PATIENCE, loopback, next_picture, stage  # noqa: F401


@pytest.fixture
def peers(monkeypatch):
    """The server's own ends of the connections, as they are made."""
    made = []

    class Kept(Peer):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            made.append(self)

    monkeypatch.setattr("limner.clients.serve_talk.Peer", Kept)
    return made


class Screen:
    """Takes a browser's video packets as they come off the network; aiortc's own buffer stops at a hole for seconds."""

    def __init__(self, browser: RTCPeerConnection) -> None:
        self.packets: list[RtpPacket] = []
        self.receiver = next(t.receiver for t in browser.getTransceivers() if t.kind == "video")
        self._more = asyncio.Event()
        VoiceTap(self.receiver, self._take)

    def _take(self, packet: RtpPacket) -> None:
        self.packets.append(packet)
        self._more.set()

    async def watch(self, seconds: float) -> list[RtpPacket]:
        """The packets of that much of the media's own time, from now on."""
        self.packets.clear()
        async with asyncio.timeout(PATIENCE):
            while not self.packets or self.packets[-1].timestamp < self.packets[0].timestamp + seconds * 90_000:
                self._more.clear()
                await self._more.wait()
        return list(self.packets)

    async def watch_from_key(self, seconds: float) -> list[RtpPacket]:
        """The packets of that much media time from the next key frame on, in the order they were sent."""
        self.packets.clear()
        async with asyncio.timeout(PATIENCE):
            while not any(map(begins_key, self.packets)):
                self._more.clear()
                await self._more.wait()
            first = next(filter(begins_key, self.packets))
            while self.packets[-1].timestamp < first.timestamp + seconds * 90_000:
                self._more.clear()
                await self._more.wait()
        age = {packet: (packet.sequence_number - first.sequence_number + 0x8000) % 0x10000 - 0x8000 for packet in self.packets}
        return sorted((packet for packet in self.packets if age[packet] >= 0), key=age.get)


def begins_key(packet: RtpPacket) -> bool:
    """Whether a key frame begins in it: a sequence parameter set does."""
    at = packet._data.find(b"\0\0\0\1")
    return at >= 0 and len(packet._data) > at + 4 and packet._data[at + 4] & 31 == 7


def decoded(packets: list[RtpPacket]) -> int:
    """Pictures in a stream of H.264 packets; pieces whose beginning came before the first packet count for nothing."""
    decoder = av.CodecContext.create("h264", "r")
    pictures = 0
    for piece in [*decoder.parse(b"".join(packet._data for packet in packets)), None]:
        with contextlib.suppress(av.error.InvalidDataError):
            pictures += len(decoder.decode(piece))
    return pictures


@pytest.mark.parametrize(("loss", "jitter_s"), [(0.1, 0.0), (0.3, 0.0), (0.0, 0.2)])
async def test_the_picture_goes_on_and_is_whole_again(stage, peers, loss, jitter_s):  # noqa: F811
    _, tracks = await stage.connect("/talk?size=256")
    await next_picture(tracks["video"])
    screen, weather = Screen(stage.browsers[0]), Weather(loss, jitter_s, random.Random(3))
    weather.over(stage.browsers[0])
    weather.over(peers[0]._pc)
    came = {packet.sequence_number for packet in await screen.watch(3.0)}
    first, last = min(came), max(came) - 8                           # the newest may still be on their way, for 0.2 s
    assert len({n for n in came if n <= last}) > (1 - loss) * (last - first + 1) - 1      # more than if nothing were sent again
    weather.loss = weather.jitter = 0.0
    await screen.watch(0.5)                                          # what was on its way
    await screen.receiver._send_rtcp_pli(screen.packets[-1].ssrc)
    assert decoded(await screen.watch_from_key(2.0)) >= 50
    assert await stage.sessions() == 1


async def test_a_peer_that_vanishes_takes_its_session_and_no_other(stage, monkeypatch):  # noqa: F811
    """No goodbye of any layer: its packets simply end. Consent (RFC 7675) runs out."""
    monkeypatch.setattr("limner.streams.peer.notice_the_gone", lambda: None)
    monkeypatch.setattr(aioice.ice, "CONSENT_INTERVAL", 0.05)
    monkeypatch.setattr(aioice.ice, "CONSENT_FAILURES", 2)
    _, gone = await stage.connect("/talk?size=256")
    _, stays = await stage.connect("/talk?size=256")
    await next_picture(gone["video"])
    await next_picture(stays["video"])
    for transceiver in stage.browsers[0].getTransceivers():
        for protocol in transceiver.sender.transport.transport._connection._protocols:
            protocol.transport.abort()                               # the socket closes, nothing is sent
    await stage.until_sessions(1)
    assert (await next_picture(stays["video"])).width == 256
    with pytest.raises((MediaStreamError, TimeoutError)):
        async with asyncio.timeout(PATIENCE):
            while True:
                await gone["video"].recv()
