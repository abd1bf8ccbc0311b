"""What somebody hostile sends to the server, each over the real wire."""

import ast
import asyncio
import io
import logging
import zipfile
from pathlib import Path

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestClient, TestServer
from yarl import URL

from limner.clients import logs, serve_say
from limner.clients.run import unsecret
from limner.clients.serve import ServeOptions, make_app
from limner.clients.serve_avatars import Gallery
from limner.clients.serve_limits import RateLimit
from limner.engine.clock import MonotonicClock
from limner.engine.testing import speech_like
from limner.streams.sinks.whip import create
from limner.streams.sources.mediafile import MediaFile
from tests.clients.serving import TOKEN, Factory, line, loopback, stage, wav  # noqa: F401
from tests.test_bad_input import picture

REPO = Path(__file__).resolve().parents[2]
SPLIT = "x\r\nSet-Cookie: taken=1"


@pytest.mark.parametrize("path", [
    "/web/../serve.py", "/web/%2e%2e/serve.py", "/web/..%2fserve.py", "/web/..%5cserve.py", "/web//etc/passwd", "/web/%2fetc/passwd",
    "/web/....//serve.py", "/web/.", "/web/", "/../../etc/passwd", "/avatars/..%2f..%2fdata/portrait.jpg", "/avatars/%2fetc%2fpasswd/portrait.jpg",
    "/avatars/../serve.py/portrait.jpg", "/web/main.js%00.txt",
])
async def test_no_path_leads_out(stage, path):  # noqa: F811
    answer = await stage.client.session.get(URL(f"http://127.0.0.1:{stage.client.port}{path}", encoded=True))
    text = await answer.text()
    assert answer.status in (400, 403, 404) and len(text) < 400 and "import" not in text and "root:" not in text


@pytest.mark.parametrize("path", ["/talk", "/whep"])
@pytest.mark.parametrize("query", ["avatar", "fps", "size", "background", "mood", "liveliness", "session"])
async def test_no_header_can_be_slipped_in(stage, path, query):  # noqa: F811
    _, offer = await stage.offer()
    answer = await stage.client.post(path, params={query: SPLIT}, data=offer, headers={"Content-Type": "application/sdp"})
    if answer.status != 201:                              # a session of nobody's is named for /whep alone
        await line(answer, 400)
    assert "Set-Cookie" not in answer.headers and "\n" not in "".join(answer.headers.values())


@pytest.mark.parametrize("head", [
    b"Host: 127.0.0.1\r\nAuthorization: Bearer \xff\xfe", b"Host: 127.0.0.1\r\nAuthorization: Bearer \xc3\xa9", b"Host: 127.0.0.1\r\nOrigin: http://[",
    b"Host: 127.0.0.1\r\nOrigin: http://\xe2\x84\x80", b"Host: 127.0.0.1\r\nOrigin: \xff", b"Host: [", b"Host: [::1", b"Host: \xff", b"X: 1"])
@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
async def test_headers_that_are_none_are_refused_and_leave_no_traceback(host, head, capsys):
    before = logging.getLogger().handlers[:], logging.getLogger().level
    logs.configure()
    try:
        async with asyncio.timeout(30), TestServer(make_app(Factory(), Gallery(), ServeOptions(host=host, token=TOKEN))) as server:
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(b"POST /say HTTP/1.1\r\n" + head + b"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            status = int((await reader.read()).split()[1])
            writer.close()
    finally:
        logging.getLogger().handlers[:] = before[0]
        logging.getLogger().setLevel(before[1])
    assert status in (400, 401, 403) and capsys.readouterr().err == ""


async def test_titles_are_only_titles(stage):  # noqa: F811
    added = await stage.client.post("/avatars", params={"title": SPLIT + "<script>"}, data=b"face")
    assert added.status == 201 and added.content_type == "application/json" and "Set-Cookie" not in added.headers
    assert (await added.json())["name"].startswith("own-")


@pytest.mark.parametrize("extra", ["a=mid:0\r\na=tool:evil", "a=candidate:1 1 udp 1 metadata.internal 80 typ host",
                                   "a=msid:- x\x00y", "b=AS:99999999999999999999", "a=ssrc:1 cname:\u202e"])
async def test_lines_of_an_offer_are_not_carried_into_the_answer(stage, extra):  # noqa: F811
    _, offer = await stage.offer()
    answer = await stage.post_sdp("/talk", offer.rstrip() + f"\r\n{extra}\r\n")
    if answer.status == 201:
        text = await answer.text()
        assert "evil" not in text and "metadata" not in text and "\u202e" not in text and "\x00" not in text
    else:
        await line(answer, 400)


@pytest.fixture
async def real_gallery():
    async with TestClient(TestServer(make_app(Factory(), Gallery(), ServeOptions()))) as client:
        yield client


async def test_a_picture_bomb_is_refused_by_its_header(real_gallery, tmp_path):
    bomb = picture(tmp_path / "bomb.png", 20_000, 20_000)
    assert "megapixels" in await line(await real_gallery.post("/avatars", data=bomb.read_bytes()), 413)


async def test_a_zip_bomb_is_refused(real_gallery):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("manifest.json", "portrait.png", "background.png", "mask.png", "geometry.npz"):
            archive.writestr(name, bytes(64 * 2**20))
    assert len(out.getvalue()) < 2**20
    assert "unpacks to more" in await line(await real_gallery.post("/avatars", data=out.getvalue()), 422)


async def test_a_sound_that_lasts_too_long_is_refused_by_its_header(stage, monkeypatch):  # noqa: F811
    monkeypatch.setattr(serve_say, "MAX_SECONDS", 2)
    await stage.connect("/talk?size=256", microphone=False)
    assert "at most 2 s" in await line(await stage.client.post("/say", data=wav(speech_like(5.0))), 413)


async def test_a_sound_whose_header_lies_is_cut_at_the_limit(monkeypatch):
    monkeypatch.setattr(serve_say, "MAX_SECONDS", 2)
    file = io.BytesIO(wav(speech_like(5.0)))
    chunks = [chunk async for chunk in serve_say._chunks(await MediaFile(file).__aenter__(), file)]
    assert sum(len(chunk.samples) for chunk in chunks) == 2 * 16_000 and file.closed


async def test_sessions_are_rationed(stage, monkeypatch):  # noqa: F811
    class Still(MonotonicClock):
        def now(self):
            return 0

    _, offer = await stage.offer()
    monkeypatch.setattr(RateLimit, "check", RateLimit(Still(), count=2).check)
    statuses = [(await stage.post_sdp("/talk?avatar=nobody", offer)).status for _ in range(2)]
    assert statuses == [400, 400]                         # refused for their own sake, not counted
    answers = [await stage.post_sdp("/talk?size=256", offer) for _ in range(3)]
    assert [a.status for a in answers] == [201, 201, 503] and "too many" in await line(answers[2], 503)


async def test_no_secret_reaches_the_log(caplog):
    """At the most talkative level, ours and every library's."""
    with caplog.at_level(logging.DEBUG), caplog.at_level(logging.DEBUG, "limner"):
        app = make_app(Factory(), Gallery(), ServeOptions(host="0.0.0.0", token=TOKEN))
        async with TestClient(TestServer(app)) as client:
            right, wrong = {"Authorization": f"Bearer {TOKEN}"}, {"Authorization": "Bearer another-secret-guess"}
            for headers in (right, wrong):
                for method, path in (("GET", "/avatars"), ("POST", "/talk"), ("POST", "/say"), ("GET", "/nothing"), ("DELETE", "/whip/x")):
                    await client.request(method, path, headers=headers, data=b"junk" if method == "POST" else None)
    assert caplog.records and TOKEN not in caplog.text and "another-secret-guess" not in caplog.text


async def test_a_push_keeps_its_token_to_itself(caplog):
    async def refuse(request):
        return web.Response(status=401)

    app = web.Application()
    app.add_routes([web.post("/live", refuse)])
    async with TestServer(app) as server:
        with caplog.at_level(logging.DEBUG), pytest.raises(Exception) as caught:
            async with asyncio.timeout(30), create(f"http://{TOKEN}@127.0.0.1:{server.port}/live", size=(64, 64), fps=25):
                pass
    assert TOKEN not in str(caught.value) and TOKEN not in caplog.text and "127.0.0.1" in str(caught.value)
    assert unsecret(f"whip:https://{TOKEN}@host/live") == "whip:https://host/live"
    assert unsecret("zmq:tcp://127.0.0.1:5555") == "zmq:tcp://127.0.0.1:5555"


SERVER = [*sorted((REPO / "clients").glob("serve*.py")), REPO / "streams/peer.py", REPO / "clients/present.py"]


@pytest.mark.parametrize("path", SERVER, ids=lambda path: path.name)
def test_the_server_calls_nobody(path):
    """Nothing a client sends can make it fetch a URL: no part of it has the means to."""
    tree = ast.parse(path.read_text())
    named = {getattr(node, "id", None) or getattr(node, "attr", None) or getattr(node, "name", None) for node in ast.walk(tree)}
    imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert not named & {ClientSession.__name__, "urlopen", "open_connection", "create_connection", "sink_maker"}
    assert not {m for m in imported if m and m.endswith(("whip", "urllib.request"))}
