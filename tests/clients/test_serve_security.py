import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from limner.clients.serve_security import check_bind, guard, is_loopback, one_line_errors
from limner.engine.errors import TooLarge, UsageError
from limner.streams.icelinks import IceServer, parse, read

TOKEN = "a-token-of-good-length"
SITE = "https://studio.example"


def app(token: str | None = None, loopback: bool = True, origins: tuple[str, ...] = (), servers: tuple[IceServer, ...] = ()) -> TestServer:
    async def good(request):
        return web.json_response({"ok": True}, headers={"Location": "/thing/1"})

    async def bad(request):
        raise TooLarge("too\nlarge,   really")

    async def broken(request):
        raise RuntimeError("secret detail")

    made = web.Application(middlewares=[guard(token, loopback, origins, servers), one_line_errors])
    made.add_routes([web.get("/", good), web.get("/web/x.js", good), web.get("/thing", good), web.post("/thing", good),
                     web.get("/bad", bad), web.get("/broken", broken), web.delete("/thing", good)])
    return TestServer(made)


@pytest.mark.parametrize(("host", "is_ours"), [
    ("127.0.0.1", True), ("127.8.9.1", True), ("::1", True), ("[::1]", True), ("localhost", True), ("LOCALHOST.", True),
    ("limner.localhost", True), ("0.0.0.0", False), ("::", False), ("192.168.0.1", False), ("127.0.0.1.evil.example", False),
    ("localhost.evil.example", False), ("", False),
])
def test_which_hosts_are_this_machine(host, is_ours):
    assert is_loopback(host) is is_ours


def test_a_token_must_exist_and_be_long():
    check_bind("127.0.0.1", None)
    check_bind("0.0.0.0", TOKEN)
    for token in (None, "", "short"):
        with pytest.raises(UsageError):
            check_bind("0.0.0.0", token)


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "192.168.1.1"])
async def test_a_rebound_name_is_refused(host):
    async with TestClient(app()) as client:
        assert (await client.get("/thing", headers={"Host": host})).status == 403
        assert (await client.get("/thing", headers={"Host": "localhost:1234"})).status == 200


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:1", "file://"])
async def test_pages_of_other_sites_change_nothing(origin):
    async with TestClient(app()) as client:
        for method in ("POST", "DELETE"):
            assert (await client.request(method, "/thing", headers={"Origin": origin})).status == 403
        read = await client.get("/thing", headers={"Origin": origin})
        assert "Access-Control-Allow-Origin" not in read.headers         # the browser keeps the answer from that page
        own = f"http://{client.host}:{client.port}"
        assert (await client.post("/thing", headers={"Origin": own})).status == 200


async def test_named_sites_may_call_and_see_what_whip_needs():
    async with TestClient(app(origins=(SITE,))) as client:
        flight = await client.options("/thing", headers={"Origin": SITE})
        assert flight.status == 204 and "PATCH" in flight.headers["Access-Control-Allow-Methods"]
        answer = await client.post("/thing", headers={"Origin": SITE})
        assert answer.headers["Access-Control-Allow-Origin"] == SITE and "Location" in answer.headers["Access-Control-Expose-Headers"]


@pytest.mark.parametrize(("token", "given", "told"), [(None, None, 2), (TOKEN, TOKEN, 2), (TOKEN, None, 1), (TOKEN, "wrong", 1)])
async def test_the_credentials_of_turn_servers_need_the_token(token, given, told):
    servers = (read("stun:a.example"), read("turn:b.example,me,hidden"))
    async with TestClient(app(token, servers=servers)) as client:
        for path in ("/whip", "/whep", "/talk"):
            answer = await client.options(path, headers={"Authorization": f"Bearer {given}"} if given else {})
            assert answer.status == 204 and parse(answer.headers.getall("Link")) == [*servers[:told]]
        other = await client.options("/thing", headers={"Authorization": f"Bearer {TOKEN}"})
        assert other.status == 204 and "Link" not in other.headers


@pytest.mark.parametrize(("header", "status"), [
    (None, 401), ("Bearer wrong", 401), (f"Basic {TOKEN}", 401), ("Bearer", 401), ("Bearer é", 401),
    (f"Bearer {TOKEN}", 200), (f"bearer  {TOKEN}", 200),
])
async def test_the_token_opens_and_nothing_else(header, status):
    async with TestClient(app(TOKEN, loopback=False)) as client:
        answer = await client.get("/thing", headers={"Authorization": header} if header else {})
        assert answer.status == status
        if status == 401:
            assert answer.headers["WWW-Authenticate"] == "Bearer" and "token" in (await answer.json())["error"]


async def test_only_the_page_itself_comes_without_a_token():
    async with TestClient(app(TOKEN, loopback=False)) as client:
        assert (await client.get("/")).status == (await client.get("/web/x.js")).status == 200
        assert (await client.post("/thing")).status == (await client.get("/bad")).status == 401


async def test_errors_are_one_line_and_keep_secrets():
    async with TestClient(app()) as client:
        large = await client.get("/bad")
        assert large.status == 413 and await large.json() == {"error": "too large, really"}
        broken = await client.get("/broken")
        assert broken.status == 500 and "secret" not in await broken.text()
        wrong = await client.post("/bad")
        assert wrong.status == 405 and wrong.headers["Allow"] and (await wrong.json())["error"]


async def test_every_answer_carries_the_headers():
    async with TestClient(app()) as client:
        for path in ("/", "/bad", "/nothing"):
            headers = (await client.get(path)).headers
            assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
            assert headers["Referrer-Policy"] == "no-referrer" and headers["X-Content-Type-Options"] == "nosniff"
