"""The avatar pushed to a streaming service: one WebRTC connection opened by WHIP (RFC 9725).

`whip:https://host/path`; the bearer token comes from LIMNER_WHIP_TOKEN or from the URL, `whip:https://TOKEN@host/path`.
"""

import asyncio
import os
from typing import Self

from aiortc import RTCPeerConnection, RTCSessionDescription

from limner.engine.errors import DeviceError, InputError, OutputError
from limner.engine.types import AudioChunk, Picture
from limner.streams.peer import preferred_codecs
from limner.streams.rtc import (
    accept_rsa_peers,
    configuration,
    hear_feedback,
    notice_the_gone,
    offer_loopback,
    report_media_time,
)
from limner.streams.sinks.webrtc import WebRTCSink
from limner.streams.whip import WhipEndpoint

CONNECT_WITHIN = 15           # s from the answer until media may flow


class WhipSink:
    """AVSink over `WebRTCSink` with one viewer: the server. `codec` is what was agreed on, h264 or vp8."""

    def __init__(self, endpoint: WhipEndpoint, *, size: tuple[int, int], fps: int) -> None:
        accept_rsa_peers()
        offer_loopback()
        notice_the_gone()
        self._endpoint = endpoint
        self._sink = WebRTCSink(size, fps)
        self._viewer = self._sink.viewer()
        self._changed = asyncio.Event()
        self._pc: RTCPeerConnection | None = None

    @property
    def codec(self) -> str:
        return self._viewer.codec

    @property
    def bytes_sent(self) -> int:
        return self._sink.bytes_sent

    async def __aenter__(self) -> Self:
        """Returns when media flows. Raises DeviceError, UsageError or InputError with what the server said."""
        await self._endpoint.__aenter__()
        try:
            await self._connect()
        except BaseException:
            await self._leave()
            raise
        return self

    async def __aexit__(self, *exc: object) -> None:
        """The server is told that the stream ends."""
        await self._sink.__aexit__(*exc)
        await self._leave()

    async def show(self, picture: Picture) -> None:
        """Raises OutputError once the server is gone."""
        self._check()
        await self._sink.show(picture)

    async def play(self, chunk: AudioChunk) -> None:
        """Raises OutputError once the server is gone."""
        self._check()
        await self._sink.play(chunk)

    def _check(self) -> None:
        if self._pc.connectionState != "connected":
            raise OutputError(f"the connection to {self._endpoint} ended; start again when the server is back")

    async def _connect(self) -> None:
        self._pc = RTCPeerConnection(configuration(await self._endpoint.ice_servers()))
        self._pc.on("connectionstatechange", lambda: self._changed.set())
        for track in (self._viewer.audio, self._viewer.video):
            transceiver = self._pc.addTransceiver(track, direction="sendonly")
            transceiver.setCodecPreferences(preferred_codecs(track.kind))
            report_media_time(transceiver.sender, track, self._viewer.epoch)
            if track.kind == "video":
                hear_feedback(transceiver.sender, self._viewer.want_key, self._viewer.estimate)
        await self._pc.setLocalDescription(await self._pc.createOffer())
        answer = await self._endpoint.offer(self._pc.localDescription.sdp)
        try:
            await self._pc.setRemoteDescription(RTCSessionDescription(answer, "answer"))
            video = next(t for t in self._pc.getTransceivers() if t.kind == "video")
            self._viewer.codec = "vp8" if video._codecs[0].mimeType.lower() == "video/vp8" else "h264"
        except Exception as error:                # aiortc's parser raises whatever the malformed line leads to
            reason = " ".join(str(error).split())[:120] or type(error).__name__
            raise InputError(f"the SDP answer of {self._endpoint} cannot be used ({reason}); expected H.264 or VP8 and Opus") from error
        await self._connected()

    async def _connected(self) -> None:
        try:
            async with asyncio.timeout(CONNECT_WITHIN):
                while self._pc.connectionState in ("new", "connecting"):
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            pass
        if self._pc.connectionState != "connected":
            raise DeviceError(f"{self._endpoint} answered, but no media connection came about; is its UDP port reachable?")

    async def _leave(self) -> None:
        self._sink.remove(self._viewer)
        try:
            await self._endpoint.__aexit__(None, None, None)
        finally:
            if self._pc:
                await self._pc.close()


def create(argument: str, *, size: tuple[int, int], fps: int) -> WhipSink:
    """Registry entry: `argument` is the http(s) URL. Raises UsageError for another one."""
    return WhipSink(WhipEndpoint(argument, os.environ.get("LIMNER_WHIP_TOKEN")), size=size, fps=fps)
