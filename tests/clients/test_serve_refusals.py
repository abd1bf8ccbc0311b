"""The HTTP face over the real engine with small fakes: what it refuses, how it queues, starts and ends."""

import asyncio
import os
import signal

import pytest
from aiohttp import ClientSession
from aiohttp.test_utils import TestClient, TestServer

from limner.clients.serve import ServeOptions, make_app, serve
from limner.clients.serve_avatars import Gallery
from limner.clients.serve_limits import MAX_SDP_BODY
from limner.clients.serve_say import WAITING
from limner.engine.errors import DeviceError, UsageError
from limner.engine.testing import speech_like
from limner.models.avatar import default_avatar

# ruff: noqa: F811 - fixtures are named where they are used
from .serving import PATIENCE, Factory, Stage, line, loopback, stage, wav  # noqa: F401


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
