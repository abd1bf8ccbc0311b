"""Pushes the avatar to a WHIP server (RFC 9725): OBS-class media servers, broadcasters, another limner's audience.

The bearer token, where the server wants one, is taken from the environment variable LIMNER_WHIP_TOKEN, so that it shows
in no process list. It is sent to the endpoint's own origin only.
"""

import asyncio
import os
from typing import Self
from urllib.parse import urljoin, urlsplit

import aiohttp
from aiortc import RTCPeerConnection, RTCSessionDescription
from limner.engine.errors import DeviceError, UsageError
from limner.engine.types import AudioChunk, Picture
from limner.streams.peer import CONNECT_WITHIN, MAX_SDP, preferred_codecs
from limner.streams.rtc import accept_rsa_peers, hear_feedback, notice_the_gone, offer_loopback, report_media_time
from limner.streams.sinks.webrtc import WebRTCSink

TOKEN = "LIMNER_WHIP_TOKEN"
REQUEST_SECONDS = 10
MEANING = {401: f"it wants a token; set {TOKEN}", 403: f"it does not accept the token in {TOKEN}", 404: "no such stream; check the address",
           406: "it takes neither H.264 nor VP8 with Opus", 415: "it is no WHIP endpoint"}


class WHIPSink:
    """AVSink over one WHIP session. Raises DeviceError from `show` once the server has ended it."""

    def __init__(self, url: str, *, size: tuple[int, int], fps: int, token: str | None = None) -> None:
        """Raises UsageError for what is no http(s) address."""
        if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
            raise UsageError(f"whip:{url}: expected the http:// or https:// address of a WHIP endpoint")
        self.url, self._token = url, token
        self._out = WebRTCSink(size, fps)
        self._resource: str | None = None            # where DELETE ends the session
        self._over = False

    async def __aenter__(self) -> Self:
        """Raises DeviceError when the server cannot be reached, refuses, or no media path comes up."""
        accept_rsa_peers()
        offer_loopback()
        notice_the_gone()
        self._http = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=REQUEST_SECONDS))
        self._peer, self._viewer = RTCPeerConnection(), self._out.viewer()
        self._state, self._settled = self._peer.connectionState, asyncio.Event()
        self._peer.on("connectionstatechange", self._changed)
        await self._out.__aenter__()
        try:
            await self._connect()
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._over = True
        try:
            if self._resource:
                await self._http.delete(self._resource, headers=self._headers(self._resource))
        except (aiohttp.ClientError, TimeoutError):
            pass                                     # the server is gone, and the session with it
        finally:
            self._out.remove(self._viewer)
            await self._peer.close()
            await self._out.__aexit__()
            await self._http.close()

    async def _connect(self) -> None:
        for track in (self._viewer.audio, self._viewer.video):
            transceiver = self._peer.addTransceiver(track, direction="sendonly")
            transceiver.setCodecPreferences(preferred_codecs(track.kind))
            report_media_time(transceiver.sender, track, self._viewer.epoch)
        hear_feedback(transceiver.sender, self._viewer.want_key, self._viewer.estimate)
        await self._peer.setLocalDescription(await self._peer.createOffer())
        answer = await self._offer(self._peer.localDescription.sdp)
        try:
            await self._peer.setRemoteDescription(RTCSessionDescription(answer, "answer"))
        except Exception as error:                   # aiortc's parser raises whatever a malformed line leads to
            raise DeviceError(f"whip:{self.url}: the answer cannot be used ({error or type(error).__name__})") from error
        self._viewer.codec = "vp8" if transceiver._codecs[0].mimeType.lower() == "video/vp8" else "h264"
        await self._connected()

    async def _offer(self, sdp: str) -> str:
        headers = {"Content-Type": "application/sdp", **self._headers(self.url)}
        try:
            async with self._http.post(self.url, data=sdp, headers=headers, allow_redirects=False) as reply:
                if reply.status != 201:
                    meaning = MEANING.get(reply.status, "check the address")
                    raise DeviceError(f"whip:{self.url}: the server answered {reply.status} {reply.reason}; {meaning}")
                self._resource = urljoin(self.url, reply.headers.get("Location", "")) if "Location" in reply.headers else None
                return (await reply.content.read(MAX_SDP)).decode("utf-8", "replace")
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise DeviceError(f"whip:{self.url}: cannot be reached ({error or type(error).__name__}); is the server "
                              "running?") from error

    def _headers(self, url: str) -> dict[str, str]:
        token = self._token or os.environ.get(TOKEN)
        same = urlsplit(url)[:2] == urlsplit(self.url)[:2]
        return {"Authorization": f"Bearer {token}"} if token and same else {}

    async def _connected(self) -> None:
        try:
            async with asyncio.timeout(CONNECT_WITHIN):
                await self._settled.wait()
        except TimeoutError:
            self._state = "failed"
        if self._state != "connected":
            raise DeviceError(f"whip:{self.url}: the server answered but no media path came up within {CONNECT_WITHIN} s; is UDP "
                              "to it open?")

    async def _changed(self) -> None:
        self._state = self._peer.connectionState
        if self._state in ("connected", "failed", "closed"):
            self._settled.set()

    async def show(self, picture: Picture) -> None:
        if self._state != "connected" and not self._over:
            raise DeviceError(f"whip:{self.url}: the server has ended the session")
        await self._out.show(picture)

    async def play(self, chunk: AudioChunk) -> None:
        await self._out.play(chunk)


def create(argument: str, *, size: tuple[int, int], fps: int) -> WHIPSink:
    """Registry entry: `argument` is the endpoint's address."""
    return WHIPSink(argument, size=size, fps=fps)
