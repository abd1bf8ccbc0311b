"""What a caller may ask of the face of its session, besides what `test_serve` shows."""

import asyncio

import pytest
from aiohttp.test_utils import TestClient, TestServer

from limner.clients.serve import ServeOptions, make_app
from limner.clients.serve_avatars import Gallery
from limner.streams.icelinks import parse, read
from tests.clients.serving import PATIENCE, Factory, Stage, line, loopback, stage  # noqa: F401 - fixtures


async def test_a_peer_chooses_its_mood_and_liveliness_and_shares_with_the_like_minded(stage):  # noqa: F811
    await stage.connect("/talk?size=256&mood=warm&liveliness=0")
    paths = ["/whep?size=256", "/whep?size=256&mood=serious", "/whep?size=256&mood=serious&liveliness=0.5"]
    watchers = [await stage.connect(path, microphone=False) for path in paths[:2]]
    again, _ = await stage.connect(paths[1], microphone=False)
    assert [(r.mood, r.liveliness) for r in stage.factory.requests] == [("warm", 0), (None, None), ("serious", None)]
    names = [answer.headers["Limner-Session"] for answer, _ in watchers]
    assert len(set(names)) == 2 and again.headers["Limner-Session"] == names[1]
    _, offer = await stage.offer(microphone=False)
    assert "places" in await line(await stage.post_sdp(paths[2], offer), 503)     # the house is full: it is another session


@pytest.mark.parametrize(("query", "known"), [
    ("mood=angry", "neutral, warm, serious"), ("mood=", "neutral"), ("mood=Warm", "neutral"), ("mood=%0d%0aX:1", "neutral"),
    *((f"liveliness={text}", "from 0") for text in ("nan", "inf", "-inf", "-0.01", "1.01", "1e999", "", "much", "0x1", "0,5")),
])
async def test_moods_and_liveliness_that_do_not_exist(stage, query, known):  # noqa: F811
    _, offer = await stage.offer()
    for path in ("/talk", "/whip", "/whep"):
        assert known in await line(await stage.post_sdp(f"{path}?{query}", offer), 400)
    assert await stage.sessions() == 0


@pytest.mark.parametrize(("path", "media"), [("/whip?size=256", {"video": False}), ("/whep?size=256", {"microphone": False}), ("/talk?size=256", {})])
async def test_the_answer_names_the_ice_servers(path, media):
    servers = (read("stun:127.0.0.1:9"), read('turn:127.0.0.1:9?transport=tcp,me,a"b'))
    app = make_app(Factory(), Gallery(), ServeOptions(ice_servers=servers))
    async with TestClient(TestServer(app)) as client, asyncio.timeout(PATIENCE):
        it = Stage(client, None)
        answer, _ = await it.connect(path, **media)
        assert tuple(parse(answer.headers.getall("Link"))) == servers and answer.headers["Location"]
        told = (await (await client.get("/options")).json())["iceServers"]
        assert told == [{"urls": "stun:127.0.0.1:9"}, {"urls": "turn:127.0.0.1:9?transport=tcp", "username": "me", "credential": 'a"b'}]
        await asyncio.gather(*(browser.close() for browser in it.browsers))


async def test_who_has_closed_already_may_still_say_so_once(stage):  # noqa: F811
    answer, _ = await stage.connect("/whep?size=256", microphone=False)
    await stage.browsers[0].close()
    await stage.until_sessions(0)
    assert [(await stage.client.delete(answer.headers["Location"])).status for _ in range(2)] == [200, 404]
    open_, _ = await stage.connect("/whep?size=256", microphone=False)
    assert [(await stage.client.delete(open_.headers["Location"])).status for _ in range(2)] == [200, 404]
    assert (await stage.client.delete("/whep/nobody")).status == 404


async def test_the_page_is_told_what_there_is_to_choose(stage):  # noqa: F811
    choices = await (await stage.client.get("/options")).json()
    assert choices["moods"] == ["neutral", "warm", "serious"]
    assert (choices["default"]["mood"], choices["default"]["liveliness"]) == ("neutral", 1.0)
