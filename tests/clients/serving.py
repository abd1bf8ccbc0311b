"""A running server for tests: the real engine with small fakes, and aiortc's client in a browser's place."""

import asyncio
import io
import wave

import numpy as np
import pytest
from aiohttp.test_utils import TestClient, TestServer
from aiortc import AudioStreamTrack, RTCPeerConnection, RTCSessionDescription

from limner.clients.serve import ServeOptions, make_app
from limner.clients.serve_avatars import Gallery
from limner.clients.serve_sessions import SessionRequest
from limner.engine.clock import MonotonicClock
from limner.engine.config import Settings
from limner.engine.errors import PortraitError
from limner.engine.session import Session
from limner.engine.testing import FakeAnimator, FakeExtractor
from limner.models.avatar import default_avatar
from tests.streams.loopback import loopback  # noqa: F401 - a fixture

PATIENCE = 30          # s; only a broken server ever waits so long
TOKEN = "a-token-of-good-length"


class Factory:
    """Sessions of a grey square as bright as the voice; remembers them."""

    def __init__(self) -> None:
        self.requests: list[SessionRequest] = []
        self.sessions: list[Session] = []

    async def __call__(self, request: SessionRequest) -> Session:
        self.requests.append(request)
        self.sessions.append(Session(
            extractor=FakeExtractor(), animator=FakeAnimator(request.size), sinks=list(request.sinks),
            clock=MonotonicClock(), settings=Settings(fps=request.fps, size=request.size),
        ))
        return self.sessions[-1]


def rigged(data: bytes, title: str):
    if not data.startswith(b"face"):
        raise PortraitError("no face was found")
    return default_avatar()


class Stage:
    """A running server, its factory, and browsers that come to it."""

    def __init__(self, client: TestClient, factory: Factory) -> None:
        self.client, self.factory, self.browsers = client, factory, []

    async def offer(self, *, microphone: bool = True, video: bool = True) -> tuple[RTCPeerConnection, str]:
        browser = RTCPeerConnection()
        self.browsers.append(browser)
        browser.addTransceiver(AudioStreamTrack() if microphone else "audio",
                               direction="sendrecv" if microphone else "recvonly")
        if video:
            browser.addTransceiver("video", direction="recvonly")
        await browser.setLocalDescription(await browser.createOffer())
        return browser, browser.localDescription.sdp

    async def connect(self, path: str = "/talk?size=256", **media):
        browser, offer = await self.offer(**media)
        tracks = []
        browser.on("track", tracks.append)
        answer = await self.post_sdp(path, offer)
        assert answer.status == 201, await answer.text()
        await browser.setRemoteDescription(RTCSessionDescription(await answer.text(), "answer"))
        return answer, {track.kind: track for track in tracks}

    def post_sdp(self, path: str, sdp: str, **headers):
        return self.client.post(path, data=sdp, headers={"Content-Type": "application/sdp", **headers})

    async def sessions(self) -> int:
        return (await (await self.client.get("/health")).json())["sessions"]

    async def until_sessions(self, count: int) -> None:
        async with asyncio.timeout(PATIENCE):
            while await self.sessions() != count:
                await asyncio.sleep(0.01)


@pytest.fixture
async def stage():
    factory = Factory()
    app = make_app(factory, Gallery(make=rigged), ServeOptions(max_sessions=3))
    async with TestClient(TestServer(app)) as client, asyncio.timeout(PATIENCE):
        it = Stage(client, factory)
        yield it
        await asyncio.gather(*(browser.close() for browser in it.browsers))


def wav(samples: np.ndarray, rate: int = 16000) -> bytes:
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((samples * 32767).astype("<i2").tobytes())
    return out.getvalue()


async def line(response, status: int) -> str:
    """The one-line JSON error of a response with this status."""
    assert response.status == status, await response.text()
    body = await response.json()
    assert set(body) == {"error"} and body["error"] and "\n" not in body["error"]
    return body["error"]


async def next_picture(track):
    async with asyncio.timeout(PATIENCE):
        return await track.recv()


async def brightness(track) -> float:
    frame = await next_picture(track)
    return float(frame.to_ndarray(format="gray").mean())
