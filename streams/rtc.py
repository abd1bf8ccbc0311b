"""Everything limner needs of aiortc that its public interface does not offer, in one file.

aiortc 1.13 to 1.16 were read for it; each function names what it reaches into, and the tests run a real connection
through each, so a release that moves these parts fails there.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from fractions import Fraction

import aioice.ice
import av
from aiortc import MediaStreamTrack, RTCConfiguration, RTCIceServer, RTCRtpReceiver, RTCRtpSender
from aiortc.clock import current_ntp_time
from aiortc.mediastreams import MediaStreamError
from aiortc.rtcdtlstransport import RTCCertificate
from aiortc.rtp import RTCP_PSFB_APP, RtcpPsfbPacket, RtcpSrPacket, RtpPacket, unpack_remb_fci

from limner.engine.clock import TICKS

from .icelinks import IceServer

# GStreamer-class peers (OBS, simple-whip-client) bring RSA certificates; aiortc offers ECDSA suites alone.
CIPHERS = (
    b"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-ECDSA-AES128-SHA:ECDHE-ECDSA-AES256-SHA"
    b":ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-CHACHA20-POLY1305"
)


def accept_rsa_peers() -> None:
    """Let DTLS agree with peers whose certificate is RSA. Reaches into `RTCCertificate._create_ssl_context`."""
    create = RTCCertificate._create_ssl_context
    if getattr(create, "accepts_rsa", False):
        return

    def with_rsa(self, *args, **kwargs):
        context = create(self, *args, **kwargs)
        context.set_cipher_list(CIPHERS)
        return context

    with_rsa.accepts_rsa = True
    RTCCertificate._create_ssl_context = with_rsa


def offer_loopback() -> None:
    """Offer 127.0.0.1 as an ICE address too, for a machine without a network. Reaches into `aioice.ice`."""
    listed = aioice.ice.get_host_addresses
    if getattr(listed, "offers_loopback", False):
        return

    def with_loopback(use_ipv4: bool, use_ipv6: bool) -> list[str]:
        return [*listed(use_ipv4, use_ipv6), *(["127.0.0.1"] if use_ipv4 else [])]

    with_loopback.offers_loopback = True
    aioice.ice.get_host_addresses = with_loopback


def configuration(servers: Iterable[IceServer]) -> RTCConfiguration:
    """`servers` and no others: told of none at all, aiortc asks one on the internet. It uses the first STUN and the first TURN."""
    return RTCConfiguration([RTCIceServer(server.url, server.username, server.credential) for server in servers])


def notice_the_gone() -> None:
    """Call a silent peer gone after 12 s of unanswered consent checks (RFC 7675), not 30. Reaches into `aioice.ice`."""
    aioice.ice.CONSENT_INTERVAL, aioice.ice.CONSENT_FAILURES = 3, 4


class MediaEpoch:
    """Which wall-clock (NTP) instant is media tick 0; shared by both tracks of a sink, fixed at its first use."""

    def __init__(self) -> None:
        self._zero: int | None = None

    def start(self, pts: int) -> None:
        """The media instant `pts` is being presented now. Only the first call counts."""
        if self._zero is None:
            self._zero = current_ntp_time() - (pts << 32) // TICKS

    def ntp(self, pts: int) -> int:
        """64-bit NTP timestamp of a media instant (RFC 3550 section 4)."""
        self.start(pts)
        return self._zero + (pts << 32) // TICKS


class PacketTrack(MediaStreamTrack):
    """Finished packets for one peer. aiortc sends an `av.Packet` as it is, without encoding.

    Full, it drops its oldest packet; with `on_full`, the new one, and calls that. Either is counted. Nothing is kept
    before the peer first asks, which calls `on_start`.
    """

    def __init__(self, kind: str, capacity: int, on_start: Callable[[], None] = lambda: None,
                 on_full: Callable[[], None] | None = None) -> None:
        super().__init__()
        self.kind = kind
        self.dropped = 0
        self.sent: int | None = None              # ticks of the newest packet handed to the sender
        self.flowing = False
        self._packets: deque[av.Packet] = deque(maxlen=capacity)
        self._more = asyncio.Event()
        self._on_start, self._on_full = on_start, on_full

    def put(self, packet: av.Packet) -> None:
        if not self.flowing:
            return
        if len(self._packets) == self._packets.maxlen:
            self.dropped += 1
            if self._on_full:
                self._on_full()
                return
        self._packets.append(packet)
        self._more.set()

    def clear(self) -> None:
        """Forget what has not been sent; for an interrupt."""
        self._packets.clear()

    async def recv(self) -> av.Packet:
        if not self.flowing:
            self.flowing = True
            self._on_start()
        while not self._packets:
            if self.readyState != "live":
                raise MediaStreamError
            self._more.clear()
            await self._more.wait()
        packet = self._packets.popleft()
        self.sent = int(packet.pts * packet.time_base / Fraction(1, TICKS))
        return packet

    def stop(self) -> None:
        super().stop()
        self._more.set()


def report_media_time(sender: RTCRtpSender, track: PacketTrack, epoch: MediaEpoch) -> None:
    """Put the media's own time into RTCP sender reports (RFC 3550 section 6.4.1).

    aiortc reports when a packet was *sent*; a browser aligns lips and voice by these reports, so every millisecond
    between the two encoders would be a millisecond out of sync. Reaches into `_send_rtcp` and the LSR it keeps.
    """
    send = sender._send_rtcp

    async def corrected(packets: list) -> None:
        report = packets[0]
        if isinstance(report, RtcpSrPacket):
            if track.sent is None:
                return                            # a report before any media would tie it to the year 1900
            report.sender_info.ntp_timestamp = epoch.ntp(track.sent)
            sender._RTCRtpSender__lsr = (report.sender_info.ntp_timestamp >> 16) & 0xFFFFFFFF
        await send(packets)

    sender._send_rtcp = corrected


def hear_feedback(sender: RTCRtpSender, on_key: Callable[[], None], on_bitrate: Callable[[int], None]) -> None:
    """Call `on_key` for PLI and FIR, `on_bitrate` (bit/s) for REMB. Reaches into `_send_keyframe`, `_handle_rtcp_packet`.

    With finished packets aiortc has no encoder to pass these to.
    """
    handle = sender._handle_rtcp_packet

    async def listening(packet) -> None:
        if isinstance(packet, RtcpPsfbPacket) and packet.fmt == RTCP_PSFB_APP:
            try:
                bitrate, ssrcs = unpack_remb_fci(packet.fci)
            except ValueError:
                return
            if sender._ssrc in ssrcs:
                on_bitrate(bitrate)
        await handle(packet)

    sender._handle_rtcp_packet = listening
    sender._send_keyframe = on_key


class VoiceTap:
    """Stands where a receiver keeps its jitter buffer and gives each packet to `on_packet` at once.

    aiortc's own buffer keeps four packets (80 ms), shows a frame only when the next one has come (20 ms), and stalls
    on a lost packet until sixteen have passed.
    """

    def __init__(self, receiver: RTCRtpReceiver, on_packet: Callable[[RtpPacket], None]) -> None:
        self._on_packet = on_packet
        receiver._RTCRtpReceiver__jitter_buffer = self

    def add(self, packet: RtpPacket) -> tuple[bool, None]:
        self._on_packet(packet)
        return False, None
