"""Pushing to WHIP servers: one built here on aiortc's public interface, and our own."""

import asyncio
from contextlib import asynccontextmanager

import aioice.ice
import numpy as np
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from aioice import stun
from aiortc import RTCPeerConnection, RTCSessionDescription
from multidict import CIMultiDict

from limner.engine.clock import TICKS, MonotonicClock, ticks_from_samples
from limner.engine.errors import DeviceError, InputError, OutputError, UsageError
from limner.engine.types import AudioChunk, Picture
from limner.streams import whip
from limner.streams.sinks.whip import WhipSink, create
from tests.streams.loopback import loopback  # noqa: F401 - a fixture

SIZE = (64, 64)
PATIENCE = 30          # s; only a broken connection ever waits so long
TOKEN = "a-token-of-good-length"


class Service:
    """A streaming service: takes one stream, keeps its tracks, remembers every request."""

    def __init__(self, location="/stream/1") -> None:
        self.location = location
        self.requests, self.asked, self.tracks = [], [], {}
        self.pc = RTCPeerConnection()
        self.pc.on("track", lambda track: self.tracks.__setitem__(track.kind, track))
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self.handle)
        self.server = TestServer(app)

    async def handle(self, request):
        if request.method == "OPTIONS":
            self.asked.append(request.headers.get("Authorization"))
            return await self.options(request)
        self.requests.append((request.method, request.path, request.headers.get("Authorization")))
        if request.method == "DELETE":
            return web.Response()
        assert request.content_type == "application/sdp"
        return await self.answer(request)

    async def options(self, request):
        return web.Response(status=204)

    async def answer(self, request):
        await self.pc.setRemoteDescription(RTCSessionDescription(await request.text(), "offer"))
        await self.pc.setLocalDescription(await self.pc.createAnswer())
        return web.Response(status=201, text=self.pc.localDescription.sdp, content_type="application/sdp",
                            headers={"Location": self.location})

    @asynccontextmanager
    async def running(self):
        async with self.server, asyncio.timeout(PATIENCE):
            yield self
            await self.pc.close()

    def url(self, path="/whip", user=""):
        return f"http://{user}{self.server.host}:{self.server.port}{path}"


def picture(pts, grey):
    planes = np.full((SIZE[0] * 3 // 2, SIZE[1]), 128, np.uint8)
    planes[: SIZE[0]] = grey
    return Picture(planes, SIZE, pts, captured_ns=0)


async def stream(sink):
    """A grey picture and a tone in real time until cancelled."""
    clock, at = MonotonicClock(), 0
    tone = 0.3 * np.sin(np.arange(640) * 2 * np.pi * 500 / 16_000).astype(np.float32)
    while True:
        await sink.play(AudioChunk(tone, 16_000, at * 640, ticks_from_samples(at * 640), 0))
        await sink.show(picture(at * TICKS // 25, 180))
        at += 1
        await clock.sleep_until(at * TICKS // 25)


async def test_pictures_and_sound_arrive_and_the_goodbye_too():
    async with Service().running() as service:
        sink = create(service.url(user=f"{TOKEN}@"), size=SIZE, fps=25)
        async with sink:
            streaming = asyncio.create_task(stream(sink))
            frame = await service.tracks["video"].recv()
            while abs(frame.to_ndarray(format="gray").mean() - 191) > 4:     # 180 in limited range is 191
                frame = await service.tracks["video"].recv()
            assert (frame.width, frame.height) == SIZE and sink.codec == "h264" and sink.bytes_sent > 0
            while np.abs((await service.tracks["audio"].recv()).to_ndarray()).max() < 5_000:
                pass
            streaming.cancel()
        assert service.requests == [("POST", "/whip", f"Bearer {TOKEN}"), ("DELETE", "/stream/1", f"Bearer {TOKEN}")]


async def test_a_server_without_h264_gets_vp8():
    class Vp8(Service):
        async def answer(self, request):
            sdp = await request.text()
            kept = [line for line in sdp.splitlines() if "H264" not in line and "level-asymmetry" not in line]
            await self.pc.setRemoteDescription(RTCSessionDescription("\r\n".join(kept) + "\r\n", "offer"))
            await self.pc.setLocalDescription(await self.pc.createAnswer())
            return web.Response(status=201, text=self.pc.localDescription.sdp, content_type="application/sdp")

    async with Vp8().running() as service, create(service.url(), size=SIZE, fps=25) as sink:
        streaming = asyncio.create_task(stream(sink))
        await service.tracks["video"].recv()
        assert sink.codec == "vp8"
        streaming.cancel()
    assert [method for method, *_ in service.requests] == ["POST"]           # no Location, nothing to end


async def test_our_own_whip_takes_it():
    from limner.clients.serve import ServeOptions, make_app
    from limner.clients.serve_avatars import Gallery
    from limner.engine.config import Settings
    from limner.engine.session import Session
    from limner.engine.testing import CollectSink, FakeAnimator, FakeExtractor

    heard = CollectSink()

    async def factory(request):
        return Session(extractor=FakeExtractor(), animator=FakeAnimator(16), sinks=[*request.sinks, heard],
                       clock=MonotonicClock(), settings=Settings(fps=request.fps, size=request.size))

    server = TestServer(make_app(factory, Gallery(), ServeOptions(token=TOKEN, size=256)))
    async with server, asyncio.timeout(PATIENCE):
        url = f"http://127.0.0.1:{server.port}/whip"
        with pytest.raises(UsageError, match=r"refused the stream \(401 Unauthorized\); give its token in LIMNER_WHIP_TOKEN"):
            await create(url, size=SIZE, fps=25).__aenter__()
        async with WhipSink(whip.WhipEndpoint(url, TOKEN), size=SIZE, fps=25) as sink:
            streaming = asyncio.create_task(stream(sink))
            while np.abs(heard.heard[-3200:]).max(initial=0) < 0.1:
                await asyncio.sleep(0)
            streaming.cancel()


async def test_a_server_that_goes_away_is_an_output_error(monkeypatch):
    async with Service().running() as service:
        sink = create(service.url(), size=SIZE, fps=25)
        monkeypatch.setattr(aioice.ice, "CONSENT_INTERVAL", 0.1)          # else it takes 12 s to be sure
        async with sink:
            await service.pc.close()
            with pytest.raises(OutputError, match="ended; start again when the server is back"):
                await stream(sink)


class Odd(Service):
    """Answers every POST with one prepared response."""

    def __init__(self, status=201, text="", kind="application/sdp", **headers) -> None:
        super().__init__()
        self._given = dict(status=status, text=text, content_type=kind, headers={k.replace("_", "-"): v for k, v in headers.items()})

    async def answer(self, request):
        return web.Response(**self._given)


@pytest.mark.parametrize("given, error, line", [
    (dict(status=401), UsageError, "401 Unauthorized); give its token in LIMNER_WHIP_TOKEN"),
    (dict(status=403), UsageError, "403 Forbidden); give its own token"),
    (dict(status=404), UsageError, "404 Not Found); check the path"),
    (dict(status=405), UsageError, "this is no WHIP endpoint"),
    (dict(status=200, text="v=0"), UsageError, "200 OK)"),
    (dict(status=500), UsageError, "its log may say why"),
    (dict(text="<html>", kind="text/html"), InputError, "answered with text/html, not with an SDP answer"),
    (dict(text="hello"), InputError, "not with an SDP answer"),
    (dict(text="v=0" + "x" * 70_000), InputError, "not with an SDP answer"),
    (dict(text="v=0\r\nnonsense\r\n"), InputError, "cannot be used"),
    (dict(status=307, Location="http://example.com/whip"), UsageError, "redirects to another host"),
    (dict(status=308, Location="ftp://127.0.0.1/whip"), UsageError, "redirects to another host"),
    (dict(status=307, Location="http://x@127.0.0.1/whip"), UsageError, "redirects to another host"),
    (dict(status=307, Location="/whip"), UsageError, "redirects too often"),
])
async def test_what_a_server_says_instead_is_told_in_one_line(given, error, line):
    async with Odd(**given).running() as service:
        with pytest.raises(error) as caught:
            await create(service.url(user=f"user:{TOKEN}@", path="/whip?key=secret"), size=SIZE, fps=25).__aenter__()
        text = str(caught.value)
        assert line in text and "\n" not in text and TOKEN not in text and "secret" not in text
        assert len(service.requests) <= 4 + 1                    # four POSTs for a loop, and a goodbye where there was a Location


class Relay(asyncio.DatagramProtocol):
    """A STUN server that answers, and a TURN server that asks who is there and then has no room."""

    def __init__(self):
        self.bindings, self.users = 0, []

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, addr):
        message = stun.parse_message(data)
        answer = stun.Message(message.message_method, stun.Class.RESPONSE, message.transaction_id)
        if message.message_method == stun.Method.BINDING:
            self.bindings += 1
            answer.attributes["XOR-MAPPED-ADDRESS"] = ("192.0.2.7", 4000)
        else:
            answer.message_class = stun.Class.ERROR
            answer.attributes["ERROR-CODE"] = (508, "Insufficient Capacity") if "USERNAME" in message.attributes else (401, "Unauthorized")
            answer.attributes["REALM"], answer.attributes["NONCE"] = "here", b"nonce"
            self.users.append(message.attributes.get("USERNAME"))
        self.transport.sendto(bytes(answer), addr)


async def test_servers_that_it_names_are_used():
    transport, relay = await asyncio.get_running_loop().create_datagram_endpoint(Relay, local_addr=("127.0.0.1", 0))
    port = transport.get_extra_info("sockname")[1]

    class Far(Service):
        async def options(self, request):
            named = [f"<stun:127.0.0.1:{port}>; rel=ice-server", f'<turn:127.0.0.1:{port}>; rel=ice-server; username="me"; credential="x"']
            return web.Response(headers=CIMultiDict([("Link", value) for value in named]))

        async def answer(self, request):
            self.offered = await request.text()
            return await super().answer(request)

    async with Far().running() as service, create(service.url(user=f"{TOKEN}@"), size=SIZE, fps=25):
        assert service.asked == [f"Bearer {TOKEN}"] and relay.bindings and set(relay.users) == {None, "me"}
        assert "192.0.2.7 4000 typ srflx" in service.offered
    transport.close()


@pytest.mark.parametrize("odd", [dict(status=404), dict(status=500), dict(status=307, headers={"Location": "http://example.com/"}),
                                 dict(headers={"Link": "<turn:x>; rel=ice-server, <<>>"}), None])
async def test_a_server_that_knows_no_options_is_streamed_to_all_the_same(odd, monkeypatch):
    monkeypatch.setattr(whip, "ASK_WITHIN", 0.2)

    class Other(Service):
        async def options(self, request):
            if odd is None:
                await asyncio.Event().wait()
            return web.Response(**odd)

    async with Other().running() as service, create(service.url(), size=SIZE, fps=25) as sink:
        assert sink._pc._RTCPeerConnection__configuration.iceServers == []       # above all not aiortc's own
    assert [method for method, *_ in service.requests] == ["POST", "DELETE"]


async def test_a_redirect_on_the_same_host_is_followed_with_the_token():
    class Moved(Service):
        async def answer(self, request):
            if request.path == "/old":
                return web.Response(status=307, headers={"Location": "/new"})
            return await super().answer(request)

    async with Moved().running() as service, create(service.url("/old", f"{TOKEN}@"), size=SIZE, fps=25):
        assert service.requests == [("POST", path, f"Bearer {TOKEN}") for path in ("/old", "/new")]


async def test_a_stream_kept_on_another_host_is_not_told_the_token(caplog):
    async with Service("http://127.0.0.2:1/stream").running() as service, create(service.url(), size=SIZE, fps=25):
        pass
    assert [method for method, *_ in service.requests] == ["POST"] and "on another host" in caplog.text


async def test_a_server_that_never_answers_is_given_up(monkeypatch):
    monkeypatch.setattr(whip, "ANSWER_WITHIN", 0.2)

    class Silent(Service):
        async def answer(self, request):
            await asyncio.Event().wait()

    async with Silent().running() as service:
        with pytest.raises(DeviceError, match="did not answer within"):
            await create(service.url(), size=SIZE, fps=25).__aenter__()


async def test_a_server_that_is_not_there(unused_tcp_port):
    with pytest.raises(DeviceError, match=r"cannot reach http://127\.0\.0\.1.*check the URL"):
        await create(f"http://127.0.0.1:{unused_tcp_port}/whip", size=SIZE, fps=25).__aenter__()
    with pytest.raises(DeviceError, match=r"cannot reach http://nowhere\.invalid/whip"):
        await create("http://nowhere.invalid/whip", size=SIZE, fps=25).__aenter__()


@pytest.mark.parametrize("url", ["", "host/path", "ftp://host/", "file:///etc/passwd", "http://", "http://host:99999/",
                                 "http://host/a b", "http://host/\r\nX: y", "http://[::1/", "javascript:alert(1)"])
def test_only_http_urls_are_taken(url):
    with pytest.raises(UsageError, match="expected whip:https://host/path"):
        create(url, size=SIZE, fps=25)


def test_a_token_with_a_line_break_is_no_header(monkeypatch):
    monkeypatch.setenv("LIMNER_WHIP_TOKEN", "a\r\nX-Injected: yes")
    with pytest.raises(UsageError, match="token holds a space"):
        create("https://host/whip", size=SIZE, fps=25)


def test_the_token_in_the_url_comes_first_and_is_never_shown():
    endpoint = whip.WhipEndpoint("https://:s%2Fecret@Host:8443/live?key=k", "other")
    assert endpoint._authorization() == {"Authorization": "Bearer s/ecret"}
    assert str(endpoint) == "https://host:8443/live" and endpoint.url == "https://host:8443/live?key=k"
    assert whip.WhipEndpoint("https://host", "other")._authorization() == {"Authorization": "Bearer other"}
