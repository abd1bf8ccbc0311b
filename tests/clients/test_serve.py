"""The HTTP face over the real engine with small fakes: who meets whom, and what they see and hear."""

import asyncio
from pathlib import Path

import pytest
from aiohttp.test_utils import TestClient, TestServer
from aiortc import RTCPeerConnection

from limner.clients.serve import ServeOptions, _url, make_app
from limner.clients.serve_avatars import Gallery
from limner.clients.serve_sessions import SessionRequest
from limner.engine.session import Session
from limner.engine.testing import speech_like

# ruff: noqa: F811 - fixtures are named where they are used
from .serving import PATIENCE, TOKEN, Factory, Stage, brightness, line, loopback, next_picture, rigged, stage, wav  # noqa: F401


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
