"""The HTTP face over the real engine with small fakes; aiortc's client stands in for a browser."""

import asyncio
import io
import os
import signal
import wave
from pathlib import Path

import aioice.ice
import numpy as np
import pytest
from aiohttp import ClientSession
from aiohttp.test_utils import TestClient, TestServer
from aiortc import AudioStreamTrack, RTCPeerConnection, RTCSessionDescription

from limner.clients.serve import ServeOptions, _url, make_app, serve
from limner.clients.serve_avatars import Gallery
from limner.clients.serve_limits import MAX_SDP_BODY
from limner.clients.serve_say import WAITING
from limner.clients.serve_sessions import SessionRequest
from limner.engine.clock import MonotonicClock
from limner.engine.config import Settings
from limner.engine.errors import DeviceError, PortraitError, UsageError
from limner.engine.session import Session
from limner.engine.testing import FakeAnimator, FakeExtractor, speech_like
from limner.models.avatar import default_avatar

PATIENCE = 30          # s; only a broken server ever waits so long
TOKEN = "a-token-of-good-length"


@pytest.fixture(autouse=True)
def loopback(monkeypatch):
    def only_loopback(use_ipv4, use_ipv6):
        return ["127.0.0.1"]

    only_loopback.offers_loopback = True
    monkeypatch.setattr(aioice.ice, "get_host_addresses", only_loopback)


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


async def test_talk_shows_the_face_and_ends_with_delete(stage):
    answer, tracks = await stage.connect("/talk?size=256&fps=50")
    assert answer.headers["Location"].startswith("/talk/") and answer.content_type == "application/sdp"
    assert answer.headers["ETag"] and answer.headers["Accept-Patch"] == "application/trickle-ice-sdpfrag"
    frame = await next_picture(tracks["video"])
    assert (frame.width, frame.height) == (256, 256)
    assert stage.factory.requests[0].fps == 50 and await stage.sessions() == 1
    ended = await stage.client.delete(answer.headers["Location"])
    assert ended.status == 200
    await stage.until_sessions(0)
    await line(await stage.client.delete(answer.headers["Location"]), 404)


async def test_a_file_is_spoken_through_the_face_and_an_interrupt_stops_it(stage):
    answer, tracks = await stage.connect("/talk?size=256", microphone=False)
    rest = await brightness(tracks["video"])
    voice = speech_like(20.0, pause=0.01)
    said = await stage.client.post("/say", data=wav(voice))
    assert said.status == 202
    assert await said.json() == {"session": answer.headers["Limner-Session"], "utterance": 1, "seconds": 20.0}
    while await brightness(tracks["video"]) < rest + 5:
        pass
    assert (await stage.client.post(f"/interrupt?session={answer.headers['Limner-Session']}")).status == 200
    while await brightness(tracks["video"]) > rest + 1:
        pass
    assert stage.factory.sessions[0].metrics.counters["interrupts"] == 1


async def test_the_microphone_drives_the_face(stage):
    _, _ = await stage.connect()
    async with asyncio.timeout(PATIENCE):
        while not stage.factory.sessions[0].metrics.hops["hear"].count:
            await asyncio.sleep(0.01)


class Ears(Factory):
    """Sessions that remember what they were given to listen to."""

    def __init__(self) -> None:
        super().__init__()
        self.heard = []

    async def __call__(self, request: SessionRequest) -> Session:
        session = await super().__call__(request)
        session.listen = self.heard.append
        return session


@pytest.mark.parametrize(("serving", "query"), [(True, ""), (False, "&listen=1")])
async def test_where_the_avatar_listens_the_microphone_is_somebody_elses(serving, query):
    factory = Ears()
    app = make_app(factory, Gallery(make=rigged), ServeOptions(listen=serving))
    async with TestClient(TestServer(app)) as client, asyncio.timeout(PATIENCE):
        stage = Stage(client, factory)
        await stage.connect("/talk?size=256" + query)
        while len(factory.heard) < 5:
            await asyncio.sleep(0.01)
        assert not factory.sessions[0].metrics.hops["hear"].count           # nothing was said
        await stage.browsers[0].close()


async def test_a_visitor_may_speak_through_an_avatar_that_listens_to_others():
    factory = Ears()
    app = make_app(factory, Gallery(make=rigged), ServeOptions(listen=True))
    async with TestClient(TestServer(app)) as client, asyncio.timeout(PATIENCE):
        stage = Stage(client, factory)
        await stage.connect("/talk?size=256&listen=0")
        while not factory.sessions[0].metrics.hops["hear"].count:
            await asyncio.sleep(0.01)
        assert not factory.heard
        await stage.browsers[0].close()


async def test_whip_in_and_whep_out_meet_in_one_session(stage):
    spoken, _ = await stage.connect("/whip?size=256", video=False)
    session = spoken.headers["Limner-Session"]
    watched, tracks = await stage.connect(f"/whep?session={session}", microphone=False)
    assert watched.headers["Limner-Session"] == session and await stage.sessions() == 1
    assert (await next_picture(tracks["video"])).width == 256
    await stage.client.delete(spoken.headers["Location"])
    assert await stage.sessions() == 1                        # somebody still watches
    await stage.client.delete(watched.headers["Location"])
    await stage.until_sessions(0)


async def test_watchers_of_one_face_share_its_session_and_nobody_elses(stage):
    private, _ = await stage.connect("/talk?size=256")
    first, _ = await stage.connect("/whep?size=256", microphone=False)
    second, tracks = await stage.connect("/whep?size=256", microphone=False)
    other, _ = await stage.connect("/whep?size=384", microphone=False)
    names = [answer.headers["Limner-Session"] for answer in (private, first, second, other)]
    assert names[1] == names[2] and len(set(names)) == 3
    assert (await next_picture(tracks["video"])).width == 256


async def test_a_peer_chooses_its_background_but_no_file_of_the_servers(stage):
    await stage.connect("/talk?size=256&background=%2300b140")
    first, _ = await stage.connect("/whep?size=256&background=blur", microphone=False)
    second, _ = await stage.connect("/whep?size=256", microphone=False)
    assert [request.background for request in stage.factory.requests] == ["#00b140", "blur", None]
    assert first.headers["Limner-Session"] != second.headers["Limner-Session"]
    _, offer = await stage.offer()
    for wrong in ("/etc/hostname", "blur:1000", "grene"):
        assert "background" in await line(await stage.post_sdp(f"/talk?background={wrong}", offer), 400)


async def test_the_newest_session_is_watched_with_its_opacity_and_ends_with_its_owner(stage):
    _, offer = await stage.offer(microphone=False)
    assert "no session is running" in await line(await stage.post_sdp("/whep?session=newest", offer), 400)
    owner, _ = await stage.connect("/talk?size=256")
    watched, tracks = await stage.connect("/whep?session=newest&alpha=1", microphone=False)
    assert watched.headers["Limner-Session"] == owner.headers["Limner-Session"]
    picture = await next_picture(tracks["video"])
    assert (picture.width, picture.height) == (256, 512)                  # an opaque face: white below
    assert picture.to_ndarray(format="gray")[260:].min() > 225
    await stage.client.delete(owner.headers["Location"])
    await stage.until_sessions(0)


async def test_where_other_machines_come_a_private_session_is_watched_by_its_name_only():
    options = ServeOptions(host="0.0.0.0", token=TOKEN)
    async with TestClient(TestServer(make_app(Factory(), Gallery(make=rigged), options))) as client:
        browser = RTCPeerConnection()
        browser.addTransceiver("video", direction="recvonly")
        await browser.setLocalDescription(await browser.createOffer())
        headers = {"Content-Type": "application/sdp", "Authorization": f"Bearer {TOKEN}"}
        answer = await client.post("/whep?session=newest", data=browser.localDescription.sdp, headers=headers)
        assert "name the session" in await line(answer, 400)
        await browser.close()


@pytest.mark.parametrize(("host", "called"), [("0.0.0.0", "studio"), ("::", "studio"), ("[::1]", "[::1]"), ("::1", "[::1]"), ("10.0.0.7", "10.0.0.7")])
def test_the_address_that_is_printed_can_be_opened_from_elsewhere(monkeypatch, host, called):
    monkeypatch.setattr("socket.gethostname", lambda: "studio")
    assert _url(ServeOptions(host=host, token=TOKEN, cert=Path("cert.pem")), 8400) == f"https://{called}:8400/#token={TOKEN}"


async def test_everyone_gets_a_session_of_their_own_until_the_house_is_full(stage):
    for _ in range(3):
        await stage.connect()
    assert await stage.sessions() == 3 and len(stage.factory.sessions) == 3
    _, offer = await stage.offer()
    refused = await stage.post_sdp("/talk", offer)
    assert "3 places" in await line(refused, 503) and int(refused.headers["Retry-After"]) > 0
    assert (await (await stage.client.get("/health")).json())["status"] == "full"


async def test_a_session_ends_when_its_browser_goes(stage):
    _, tracks = await stage.connect()
    await next_picture(tracks["video"])
    await stage.browsers[0].close()
    await stage.until_sessions(0)


async def test_a_failing_session_takes_nobody_with_it(stage):
    await stage.connect()
    await stage.connect()

    def broken(*args):
        raise RuntimeError("broken on purpose")

    stage.factory.sessions[0]._track.hear = broken
    await stage.until_sessions(1)
    assert "limner_sessions_failed_total 1.0" in await (await stage.client.get("/metrics")).text()


async def test_trickled_candidates_are_taken(stage):
    answer, _ = await stage.connect()
    fragment = "a=mid:0\r\na=candidate:1 1 UDP 2122252543 127.0.0.1 40000 typ host\r\n"
    headers = {"Content-Type": "application/trickle-ice-sdpfrag"}
    patch = await stage.client.patch(answer.headers["Location"], data=fragment, headers=headers | {"If-Match": answer.headers["ETag"]})
    assert patch.status == 204
    await line(await stage.client.patch(answer.headers["Location"], data=fragment, headers=headers | {"If-Match": '"x"'}), 412)
    await line(await stage.client.patch(answer.headers["Location"], data=fragment), 415)
    restart = "a=ice-ufrag:newone\r\na=ice-pwd:newpassword\r\n" + fragment
    assert "restart" in await line(await stage.client.patch(answer.headers["Location"], data=restart, headers=headers), 422)
    await line(await stage.client.patch(answer.headers["Location"], data="junk", headers=headers), 400)
    await line(await stage.client.patch("/talk/none", data=fragment, headers=headers), 404)


@pytest.mark.parametrize("body", ["", "junk", '{"type": "offer"}', "v=0\r\n", "v=0\r\nm=video 1 A B\r\n", "\xff\xfe", "v=0" + "\r\na=x" * 100])
@pytest.mark.parametrize("path", ["/talk", "/whip", "/whep"])
async def test_junk_sdp_is_one_line_and_leaves_nothing_behind(stage, path, body):
    await line(await stage.post_sdp(path, body), 400)
    assert await stage.sessions() == 0


async def test_what_is_not_sdp_or_too_much_of_it_is_refused(stage):
    await line(await stage.client.post("/talk", json={}), 415)
    await line(await stage.post_sdp("/talk", "v=0" + "x" * MAX_SDP_BODY), 413)
    await line(await stage.client.get("/talk"), 405)
    await line(await stage.client.get("/nothing"), 404)


@pytest.mark.parametrize("query", ["fps=26", "fps=x", "fps=-1", "size=100", "size=99999999999999999999", "size=²", "avatar=nobody", "avatar=../x"])
async def test_choices_outside_the_list_are_refused(stage, query):
    _, offer = await stage.offer()
    await line(await stage.post_sdp(f"/talk?{query}", offer), 400)
    assert await stage.sessions() == 0


async def test_saying_needs_a_session_and_sound(stage):
    await line(await stage.client.post("/say", data=wav(speech_like(0.1))), 400)
    await line(await stage.client.post("/interrupt"), 400)
    await stage.connect()
    await line(await stage.client.post("/say", data=b""), 400)
    await line(await stage.client.post("/say", data=b"this is text"), 422)
    await line(await stage.client.post("/say?session=other", data=wav(speech_like(0.1))), 400)
    await stage.connect()
    assert "2 sessions" in await line(await stage.client.post("/say", data=wav(speech_like(0.1))), 400)


async def test_sounds_queue_up_only_so_far(stage):
    await stage.connect("/talk?size=256", microphone=False)
    voice = wav(speech_like(60.0))
    for n in range(WAITING):
        assert (await (await stage.client.post("/say", data=voice)).json())["utterance"] == n + 1
    assert "waiting" in await line(await stage.client.post("/say", data=voice), 503)
    await stage.client.post("/interrupt")
    assert (await stage.client.post("/say", data=voice)).status == 202


async def test_sounds_that_are_still_being_sent_count_as_well(stage):
    await stage.connect("/talk?size=256", microphone=False)
    whole, voice = asyncio.Event(), wav(speech_like(1.0))

    async def slowly():
        yield voice[:20]
        await whole.wait()

    posts = [asyncio.create_task(stage.client.post("/say", data=slowly())) for _ in range(WAITING)]
    while (await stage.client.post("/say", data=b"")).status == 400:              # refused for its own sake and not counted
        await asyncio.sleep(0.01)
    assert "waiting" in await line(await stage.client.post("/say", data=voice), 503)
    whole.set()
    assert {answer.status for answer in await asyncio.gather(*posts)} == {422}    # cut sounds: their places are free again
    assert (await stage.client.post("/say", data=voice)).status == 202


async def test_a_portrait_is_taken_and_used(stage):
    listed = await (await stage.client.get("/avatars")).json()
    assert listed[0]["name"] == default_avatar().name and listed[0]["licence"]
    added = await stage.client.post("/avatars?title=me", data=b"face")
    assert added.status == 201
    avatar = await added.json()
    picture = await stage.client.get(avatar["thumbnail"])
    assert picture.content_type == "image/jpeg" and (await picture.read())[:2] == b"\xff\xd8"
    assert avatar["name"] not in [a["name"] for a in await (await stage.client.get("/avatars")).json()]   # private
    await stage.connect(f"/talk?size=256&avatar={avatar['name']}")
    assert stage.factory.requests[0].avatar.sha256 == default_avatar().sha256
    assert "no face" in await line(await stage.client.post("/avatars", data=b"cat"), 422)
    await line(await stage.client.post("/avatars", data=b""), 400)
    await line(await stage.client.get("/avatars/nobody/portrait.jpg"), 400)


async def test_the_page_and_its_parts_are_served(stage):
    page = await stage.client.get("/")
    assert page.status == 200 and "Start talking" in await page.text()
    assert "default-src 'self'" in page.headers["Content-Security-Policy"]
    assert page.headers["X-Content-Type-Options"] == "nosniff"
    for name in ("main.js", "style.css", "icon.svg"):
        assert (await stage.client.get(f"/web/{name}")).status == 200
    choices = await (await stage.client.get("/options")).json()
    assert 25 in choices["fps"] and 512 in choices["sizes"]
    assert (await stage.client.get("/web/..%2Fserve.py")).status in (403, 404)


async def test_metrics_are_prometheus_text(stage):
    await stage.connect()
    text = await (await stage.client.get("/metrics")).text()
    assert "limner_sessions 1.0" in text and 'limner_latency_seconds{session="' in text


async def test_it_serves_until_it_is_told_to_stop():
    ready = asyncio.get_running_loop().create_future()
    serving = asyncio.create_task(serve(Factory(), Gallery(), ServeOptions(port=0, size=256), ready=ready.set_result))
    async with asyncio.timeout(PATIENCE):
        url = await ready
        async with ClientSession() as client, client.get(url + "health") as answer:
            assert (await answer.json())["status"] == "ok"
        os.kill(os.getpid(), signal.SIGTERM)
        await serving


async def test_a_face_that_cannot_be_made_is_said_before_anybody_comes():
    async def broken(request):
        raise UsageError("no such animator")

    with pytest.raises(UsageError, match="no such animator"):
        await serve(broken, Gallery(), ServeOptions(port=0))


@pytest.mark.parametrize("content", [None, "no certificate"])
async def test_a_useless_certificate_is_one_line(tmp_path, content):
    if content:
        (tmp_path / "cert.pem").write_text(content)
    with pytest.raises(UsageError, match="PEM"):
        await serve(Factory(), Gallery(), ServeOptions(port=0, cert=tmp_path / "cert.pem"))


async def test_a_port_in_use_is_one_line(stage):
    with pytest.raises(DeviceError, match="cannot listen"):
        await serve(Factory(), Gallery(), ServeOptions(port=stage.client.port))


@pytest.mark.parametrize(("host", "token"), [("0.0.0.0", None), ("192.168.1.5", None), ("::", None), ("0.0.0.0", "short")])
def test_others_may_not_come_in_without_a_token(host, token):
    with pytest.raises(UsageError, match="token"):
        make_app(Factory(), Gallery(), ServeOptions(host=host, token=token))


async def test_draining_ends_every_session():
    factory = Factory()
    app = make_app(factory, Gallery(), ServeOptions())
    async with TestClient(TestServer(app)) as client, asyncio.timeout(PATIENCE):
        it = Stage(client, factory)
        await it.connect()
        await app.shutdown()
        assert await it.sessions() == 0
        _, offer = await it.offer()
        await line(await it.post_sdp("/talk", offer), 503)
        assert factory.sessions[0]._ended.is_set()
        await asyncio.gather(*(browser.close() for browser in it.browsers))
