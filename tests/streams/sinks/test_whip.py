"""A WHIP server made of aiohttp and aiortc takes what the sink pushes, over real loopback connections."""

import asyncio

import aioice.ice
import pytest
from aiohttp import web
from aiortc import RTCPeerConnection, RTCSessionDescription
from limner.engine.errors import DeviceError, UsageError
from limner.streams.sinks.whip import create

from tests.streams.mp4_reader import chunks_of, plain
from tests.streams.sounds import tone

SIZE = (64, 64)
PATIENCE = 20                  # s; only a broken connection ever waits so long


@pytest.fixture(autouse=True)
def loopback(monkeypatch):
    def only_loopback(use_ipv4, use_ipv6):
        return ["127.0.0.1"]

    only_loopback.offers_loopback = True
    monkeypatch.setattr(aioice.ice, "get_host_addresses", only_loopback)


class Server:
    """One endpoint, `/live`. `asked` holds (method, authorization)."""

    def __init__(self):
        self.status, self.body, self.asked, self.tracks = 201, None, [], {}
        self.peer, self.location, self.ended = None, "/live/42", asyncio.Event()

    async def take(self, request):
        self.asked.append(("POST", request.headers.get("Authorization")))
        if self.status != 201:
            return web.Response(status=self.status)
        if self.body is None:
            self.peer = RTCPeerConnection()
            self.peer.on("track", lambda track: self.tracks.update({track.kind: track}))
            await self.peer.setRemoteDescription(RTCSessionDescription(await request.text(), "offer"))
            await self.peer.setLocalDescription(await self.peer.createAnswer())
        body = self.body or self.peer.localDescription.sdp
        return web.Response(status=201, text=body, content_type="application/sdp", headers={"Location": self.location})

    async def end(self, request):
        self.asked.append(("DELETE", request.headers.get("Authorization")))
        self.ended.set()
        return web.Response()


@pytest.fixture
async def server():
    it = Server()
    app = web.Application()
    app.router.add_post("/live", it.take)
    app.router.add_delete("/live/42", it.end)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    it.url = f"http://127.0.0.1:{runner.addresses[0][1]}/live"
    yield it
    if it.peer:
        await it.peer.close()
    await runner.cleanup()


async def pump(sink, stop):
    """Pictures and sound until stopped; `play` and `show` yield to the loop."""
    sound, k = chunks_of(tone(20)), 0
    while not stop.is_set():
        await sink.show(plain(k * 1800, SIZE, luma=60 + k % 100, duration=1800))
        await sink.play(sound[k % 1000])
        k += 1
        await asyncio.to_thread(int)


async def test_picture_and_voice_arrive_and_the_session_is_ended(server, monkeypatch):
    monkeypatch.setenv("LIMNER_WHIP_TOKEN", "secret")
    stop = asyncio.Event()
    async with asyncio.timeout(PATIENCE), create(server.url, size=SIZE, fps=50) as sink:
        pumping = asyncio.create_task(pump(sink, stop))
        frames = [await server.tracks["video"].recv() for _ in range(5)]
        heard = [await server.tracks["audio"].recv() for _ in range(10)]
        stop.set()
        await pumping
    assert {(f.width, f.height) for f in frames} == {SIZE} and all(f.samples for f in heard)
    assert frames[-1].to_ndarray(format="gray").mean() > 30
    assert server.asked == [("POST", "Bearer secret"), ("DELETE", "Bearer secret")]


async def test_a_server_that_goes_away_is_said(server):
    async with asyncio.timeout(PATIENCE):
        sink = create(server.url, size=SIZE, fps=50)
        await sink.__aenter__()
        pumping = asyncio.create_task(pump(sink, asyncio.Event()))
        await server.tracks["video"].recv()
        await server.peer.close()
        with pytest.raises(DeviceError, match="the server has ended the session"):
            await pumping
        await sink.__aexit__(None, None, None)


async def test_the_token_goes_to_its_own_origin_only(server, monkeypatch):
    monkeypatch.setenv("LIMNER_WHIP_TOKEN", "secret")
    server.location = server.url.replace("127.0.0.1", "localhost") + "/42"
    async with asyncio.timeout(PATIENCE), create(server.url, size=SIZE, fps=50):
        pass
    assert server.asked == [("POST", "Bearer secret"), ("DELETE", None)]


@pytest.mark.parametrize("status, found", [(401, "LIMNER_WHIP_TOKEN"), (404, "no such stream"), (500, "answered 500"), (302, "answered 302")])
async def test_a_refusal_is_one_line(server, status, found):
    server.status = status
    with pytest.raises(DeviceError, match=found) as caught:
        await create(server.url, size=SIZE, fps=25).__aenter__()
    assert "\n" not in str(caught.value)


async def test_a_junk_answer_is_one_line(server):
    server.body = "v=0\r\nthis is no SDP"
    with pytest.raises(DeviceError, match="the answer cannot be used"):
        await create(server.url, size=SIZE, fps=25).__aenter__()
    assert server.ended.is_set()                       # what was begun there was taken back


async def test_nobody_there():
    with pytest.raises(DeviceError, match="cannot be reached"):
        await create("http://127.0.0.1:9/live", size=SIZE, fps=25).__aenter__()


@pytest.mark.parametrize("url", ["", "live", "ftp://127.0.0.1/live", "http:///live"])
def test_what_is_no_address(url):
    with pytest.raises(UsageError, match="WHIP endpoint"):
        create(url, size=SIZE, fps=25)
