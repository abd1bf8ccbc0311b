"""One WebRTC peer from its offer to its goodbye.

limner always answers: the peer offers a microphone to send, an avatar to receive, or both. All ICE candidates are in
the answer (no trickling on our side); the peer's later ones come through `add_candidates`.
"""

import asyncio
import json
import logging
import re
from collections.abc import Callable

from aiortc import RTCDataChannel, RTCPeerConnection, RTCRtpSender, RTCSessionDescription
from aiortc.sdp import SessionDescription, candidate_from_sdp

from limner.engine.clock import Clock, MonotonicClock
from limner.engine.errors import InputError, TooLarge, UsageError

from .icelinks import IceServer
from .rtc import (
    VoiceTap,
    accept_rsa_peers,
    configuration,
    hear_feedback,
    notice_the_gone,
    offer_loopback,
    report_media_time,
)
from .sinks.webrtc import Viewer
from .sources.webrtc import WebRTCMicrophone

log = logging.getLogger(__name__)

MAX_SDP = 64 * 1024           # characters; a browser's offer has about 5 000
CONNECT_WITHIN = 15           # s from the answer until media flows, else the peer is given up
VIDEO_ORDER = ("video/h264", "video/vp8")


class Peer:
    """A connection that hears (`microphone`), is shown something (`viewer`), or both.

    `on_message` is called with each JSON object the peer sends over its data channel; `tell` sends one back.
    """

    def __init__(self, viewer: Viewer | None = None, *, hears: bool = True, clock: Clock | None = None,
                 ice_servers: tuple[IceServer, ...] = (), on_message: Callable[[dict], None] | None = None) -> None:
        accept_rsa_peers()
        offer_loopback()
        notice_the_gone()
        self.viewer = viewer
        self.microphone = WebRTCMicrophone(clock) if hears else None
        self.hears = False                        # True once the peer has offered a microphone
        self.closed = asyncio.Event()
        self._clock = clock or MonotonicClock()
        self._on_message = on_message
        self._channel: RTCDataChannel | None = None
        self._guard: asyncio.Task | None = None
        self._connected = asyncio.Event()
        self._pc = RTCPeerConnection(configuration(ice_servers))
        self._pc.on("connectionstatechange", self._state_changed)
        self._pc.on("track", self._track)
        self._pc.on("datachannel", self._data_channel)

    @property
    def state(self) -> str:
        """new, connecting, connected, closed or failed."""
        return self._pc.connectionState

    async def answer(self, offer: str) -> str:
        """The SDP answer to the peer's SDP offer.

        Raises UsageError for text that is not an offer or asks for nothing both sides can do, TooLarge past 64 KiB;
        the peer is closed then. A peer that has not connected 15 s later is closed too.
        """
        try:
            await self._negotiate(offer, check_offer(offer, sees=self.viewer is not None))
        except UsageError:
            await self.close()
            raise
        except Exception as error:                # as in `check_offer`: codecs, ICE and DTLS lines are read here
            await self.close()
            raise _unusable(error) from error
        self._guard = asyncio.create_task(self._give_up_unless_connected())
        return self._pc.localDescription.sdp

    async def _negotiate(self, offer: str, kinds: set[str]) -> None:
        if self.viewer:
            self._add_tracks(self.viewer, kinds)
        else:
            self._pc.addTransceiver("audio", direction="recvonly")
        for transceiver in self._pc.getTransceivers():      # aiortc ignores preferences set after the offer
            transceiver.setCodecPreferences(preferred_codecs(transceiver.kind))
        await self._pc.setRemoteDescription(RTCSessionDescription(offer, "offer"))
        if self.viewer:
            video = next(t for t in self._pc.getTransceivers() if t.kind == "video")
            self.viewer.codec = "vp8" if video._codecs[0].mimeType.lower() == "video/vp8" else "h264"
        await self._pc.setLocalDescription(await self._pc.createAnswer())

    def _add_tracks(self, viewer: Viewer, kinds: set[str]) -> None:
        for track in (t for t in (viewer.audio, viewer.video) if t.kind in kinds):
            sender = self._pc.addTrack(track)
            report_media_time(sender, track, viewer.epoch)
            if track.kind == "video":
                hear_feedback(sender, viewer.want_key, viewer.estimate)

    async def add_candidates(self, fragment: str) -> None:
        """ICE candidates from a trickle fragment (RFC 8840). Raises UsageError for anything else, InputError for an ICE restart."""
        remote = self._pc.remoteDescription
        if remote and (asked := re.search(r"^a=ice-ufrag:(\S+)", fragment, re.M)) and f"a=ice-ufrag:{asked[1]}" not in remote.sdp:
            raise InputError("ICE restarts are not supported; make a new connection")
        for mid, line in parse_fragment(fragment):
            try:
                candidate = candidate_from_sdp(line)
                candidate.sdpMid, candidate.sdpMLineIndex = mid, None if mid else 0
                await self._pc.addIceCandidate(candidate)
            except Exception as error:            # as above: the parser's own exceptions are many
                raise UsageError(f"the ICE candidate {line[:80]!r} cannot be used; expected the form of RFC 8839") from error

    def tell(self, message: dict) -> None:
        """Send a JSON object over the peer's data channel; nothing happens when there is none or it is congested."""
        channel = self._channel
        if channel and channel.readyState == "open" and channel.bufferedAmount < 64 * 1024:
            channel.send(json.dumps(message, separators=(",", ":")))

    async def close(self) -> None:
        """End the connection; again is harmless."""
        if self.closed.is_set():
            return
        self.closed.set()
        if self._guard and self._guard is not asyncio.current_task():
            self._guard.cancel()
        if self.microphone:
            self.microphone.end()
        await self._pc.close()

    async def _give_up_unless_connected(self) -> None:
        try:
            async with asyncio.timeout(CONNECT_WITHIN):
                await self._connected.wait()
        except TimeoutError:
            log.info("peer gave up: no connection %d s after its offer", CONNECT_WITHIN)
            await self.close()

    async def _state_changed(self) -> None:
        if self.state == "connected":
            self._connected.set()
        elif self.state in ("failed", "closed"):
            await self.close()

    def _track(self, track) -> None:
        receiver = next(t.receiver for t in self._pc.getTransceivers() if t.receiver.track is track)
        if track.kind == "audio" and self.microphone and not self.hears:
            self.hears = True
            VoiceTap(receiver, self.microphone.take)
        else:
            VoiceTap(receiver, lambda packet: None)     # a picture nobody asked for must not pile up undecoded

    def _data_channel(self, channel: RTCDataChannel) -> None:
        self._channel = channel
        channel.on("message", self._message)

    def _message(self, text: str | bytes) -> None:
        message = read_message(text)
        if message is not None and self._on_message:
            self._on_message(message)


def read_message(text: str | bytes) -> dict | None:
    """The JSON object that a peer sent; None for anything else."""
    try:
        message = json.loads(text) if len(text) <= MAX_SDP else None
    except (ValueError, RecursionError):                    # no JSON, or nested deeper than the parser goes
        return None
    return message if isinstance(message, dict) else None


def preferred_codecs(kind: str) -> list:
    """aiortc's codec capabilities in our order: H.264, then VP8; Opus alone for sound."""
    offered = RTCRtpSender.getCapabilities(kind).codecs
    if kind == "audio":
        return [c for c in offered if c.mimeType.lower() == "audio/opus"]
    known = [c for mime in VIDEO_ORDER for c in offered if c.mimeType.lower() == mime]
    return known + [c for c in offered if c.mimeType.lower() == "video/rtx"]


def check_offer(offer: str, *, sees: bool) -> set[str]:
    """The kinds of media in `offer`. Raises TooLarge or UsageError when `offer` is not an SDP offer of the media a peer needs here."""
    if len(offer) > MAX_SDP:
        raise TooLarge(f"the SDP offer has {len(offer)} characters; at most {MAX_SDP} are read")
    if not offer.startswith("v=0"):
        raise UsageError("the body is not SDP (it does not begin with v=0); send the offer of a WebRTC peer connection "
                         "as application/sdp")
    try:
        kinds = {media.kind for media in SessionDescription.parse(offer).media}
    except Exception as error:                    # aiortc's parser raises whatever the malformed line leads to
        raise _unusable(error) from error
    if sees and "video" not in kinds:
        raise UsageError("the SDP offer has no video section; offer to receive video")
    if not sees and "audio" not in kinds:
        raise UsageError("the SDP offer has no audio section; offer to send a microphone")
    return kinds


def _unusable(error: Exception) -> UsageError:
    reason = " ".join(str(error).split())[:120] or type(error).__name__
    return UsageError(f"the SDP offer cannot be used ({reason}); expected a WebRTC offer with H.264 or VP8 video and Opus audio")


def parse_fragment(fragment: str) -> list[tuple[str | None, str]]:
    """(mid, candidate line) pairs of a trickle-ice-sdpfrag. Raises UsageError for an ICE restart or no candidate."""
    if len(fragment) > MAX_SDP:
        raise TooLarge(f"the ICE fragment has {len(fragment)} characters; at most {MAX_SDP} are read")
    mid, found = None, []
    lines = [line.strip() for line in fragment.splitlines()]
    for line in lines:
        if line.startswith("a=mid:"):
            mid = line.removeprefix("a=mid:")
        elif line.startswith("a=candidate:"):
            found.append((mid, line.removeprefix("a=candidate:")))
    if not found and "a=end-of-candidates" not in lines:
        raise UsageError("the body holds no a=candidate line; expected an ICE fragment (application/trickle-ice-sdpfrag)")
    return found
