import asyncio
import io

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from limner.clients import serve_limits
from limner.clients.serve_limits import RateLimit, read_body, spool_body
from limner.clients.serve_security import one_line_errors
from limner.engine.clock import TICKS, ManualClock
from limner.engine.errors import Busy

LIMIT = 1000


def app(seen: list) -> TestServer:
    async def read(request):
        seen.append(await read_body(request, LIMIT, "the thing"))
        return web.Response()

    async def spool(request):
        file = io.BytesIO()
        seen.append((await spool_body(request, LIMIT, "the thing", file), file.read()))
        return web.Response()

    made = web.Application(middlewares=[one_line_errors])
    made.add_routes([web.post("/read", read), web.post("/spool", spool)])
    return TestServer(made)


async def parts(count: int):
    for _ in range(count):
        yield b"x" * 100


@pytest.mark.parametrize("path", ["/read", "/spool"])
async def test_bodies_up_to_the_limit_are_taken(path):
    seen = []
    async with TestClient(app(seen)) as client:
        for body in (b"x" * LIMIT, parts(10)):
            assert (await client.post(path, data=body)).status == 200
    assert seen == [b"x" * LIMIT] * 2 if path == "/read" else [(LIMIT, b"x" * LIMIT)] * 2


@pytest.mark.parametrize("path", ["/read", "/spool"])
async def test_more_is_refused_announced_or_not(path):
    seen = []
    async with TestClient(app(seen)) as client:
        for body in (b"x" * (LIMIT + 1), parts(11)):
            answer = await client.post(path, data=body)
            assert answer.status == 413 and "the thing is larger" in (await answer.json())["error"]
    assert not seen


@pytest.mark.parametrize("path", ["/read", "/spool"])
async def test_a_sender_that_stalls_is_given_up(path, monkeypatch):
    monkeypatch.setattr(serve_limits, "STALLED", 0.1)
    seen = []

    async def stalling():
        yield b"x" * 100
        await asyncio.Event().wait()

    async with asyncio.timeout(30), TestClient(app(seen)) as client:
        answer = await client.post(path, data=stalling())
        assert answer.status == 408 and "no more of the thing came" in (await answer.json())["error"]
    assert not seen


async def test_calls_are_rationed_by_time():
    clock = ManualClock()
    rate = RateLimit(clock, count=3, seconds=10)
    for _ in range(3):
        rate.check()
    with pytest.raises(Busy):
        rate.check()
    await clock.advance(10 * TICKS)
    rate.check()
