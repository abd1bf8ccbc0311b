import contextlib

import pytest
import zmq
import zmq.asyncio

from limner.streams.bus import parse
from limner.streams.desk import Desk
from limner.streams.reception import Reception
from limner.streams.wire import Event, pack, unpack
from tests.streams.test_desk import Stage


@contextlib.asynccontextmanager
async def asker(reception, kind):
    context = zmq.asyncio.Context()
    socket = context.socket(kind)
    socket.linger = 0
    socket.connect(reception.address)
    try:
        yield socket
    finally:
        socket.close()
        context.term()


@pytest.fixture
async def reception():
    reception = Reception(parse("tcp://127.0.0.1:*"))
    reception.open()
    yield reception
    await reception.close()


async def ask(socket, parts):
    await socket.send_multipart(parts)
    return unpack(await socket.recv_multipart()).body


async def test_commands_are_done_and_answered(reception):
    stage = Stage()
    reception.desk = Desk(stage)
    async with asker(reception, zmq.REQ) as socket:
        assert await ask(socket, pack("control", Event("interrupt"))) == Event("ok")
        assert (await ask(socket, pack("control", Event("status")))).data["latency_ms"] == 100
        refused = await ask(socket, pack("control", Event("avatar", {"name": "x"})))
    assert refused.name == "error" and "there are: none" in refused.data["error"]
    assert stage.told == ["interrupt"] and reception.counts["interrupt"] == 1


async def test_a_dealer_needs_no_empty_part(reception):
    reception.desk = Desk(Stage())
    async with asker(reception, zmq.DEALER) as socket:
        assert (await ask(socket, pack("control", Event("interrupt")))).name == "ok"


@pytest.mark.parametrize("kind", [zmq.REQ, zmq.DEALER])
async def test_whatever_is_asked_is_answered_in_one_line(reception, kind, caplog):
    junk = [[b"x"], [b"control", b"junk", b""], [b"control", b"", b"", b""], pack("event", Event("begin"))]
    async with asker(reception, kind) as socket:
        for parts in junk:
            answer = await ask(socket, parts)
            assert answer.name == "error" and "\n" not in answer.data["error"]
        assert "no session yet" in (await ask(socket, pack("control", Event("status")))).data["error"]
    assert reception.counts["malformed"] == len(junk) == len(caplog.records)
