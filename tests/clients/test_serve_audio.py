"""`/audio` through aiohttp's own client, over the real engine with small fakes."""

import asyncio
import json

import numpy as np
import pytest
from aiohttp import WSMsgType
from aiohttp.test_utils import TestClient, TestServer

from limner.clients.serve import ServeOptions, make_app
from limner.clients.serve_avatars import Gallery
from limner.engine.clock import MonotonicClock
from limner.engine.config import Settings
from limner.engine.session import Session
from limner.engine.testing import CollectSink, FakeAnimator, FakeExtractor, speech_like
from limner.streams.audio import resample, to_float, to_s16

PATIENCE = 30          # s; only a broken server ever waits so long


class Factory:
    """Sessions of a small grey square, and everything they said."""

    def __init__(self) -> None:
        self.sessions, self.sinks = [], []

    async def __call__(self, request):
        self.sinks.append(CollectSink())
        self.sessions.append(Session(
            extractor=FakeExtractor(), animator=FakeAnimator(16), sinks=[*request.sinks, self.sinks[-1]],
            clock=MonotonicClock(), settings=Settings(fps=request.fps, size=request.size),
        ))
        return self.sessions[-1]


class Stage:
    def __init__(self, client, factory) -> None:
        self.client, self.factory = client, factory

    async def connect(self, **hello):
        """A socket that has said hello and heard that it is ready."""
        socket = await self.client.ws_connect("/audio")
        await socket.send_json(hello)
        ready = await told(socket)
        assert ready["type"] == "ready", ready
        return socket, ready

    async def health(self):
        return (await (await self.client.get("/health")).json())["sessions"]


async def told(socket):
    async with asyncio.timeout(PATIENCE):
        return await socket.receive_json()


async def refused(socket):
    """The line a socket is closed with."""
    async with asyncio.timeout(PATIENCE):
        error = await socket.receive_json()
        assert error["type"] == "error" and "\n" not in error["error"]
        assert (await socket.receive()).type is WSMsgType.CLOSE and socket.close_code == 1008
    return error["error"]


@pytest.fixture
async def stage():
    factory = Factory()
    app = make_app(factory, Gallery(), ServeOptions(max_sessions=2, size=256))
    async with TestClient(TestServer(app)) as client:
        yield Stage(client, factory)


def speech(seconds, rate, seed=1):
    voice = speech_like(seconds * 3, seed, pause=0.0002)
    return to_s16(voice[: round(seconds * rate)])


@pytest.mark.parametrize("rate", (8_000, 24_000, 48_000))
async def test_speech_is_said_as_it_was_sent_and_its_end_is_told(stage, rate):
    socket, ready = await stage.connect(rate=rate)
    assert 0 < ready["latency_ms"] <= 250 and await stage.health() == 1
    sound = speech(0.4, rate)
    data = sound.tobytes()
    for at in range(0, len(data), 1001):                     # odd: samples are split between messages
        await socket.send_bytes(data[at : at + 1001])
    await socket.send_json({"type": "say-end"})
    assert await told(socket) == {"type": "speak", "state": "start", "utterance": 1}
    assert await told(socket) == {"type": "speak", "state": "end", "utterance": 1, "reason": "finished"}
    heard, said = stage.factory.sinks[0].heard, resample(to_float(sound), rate)
    start = np.flatnonzero(heard)[0] - np.flatnonzero(said)[0]
    assert np.array_equal(heard[start : start + len(said)], said)
    await socket.send_bytes(data)
    await socket.send_json({"type": "say-end"})
    assert [(await told(socket))["utterance"] for _ in range(2)] == [2, 2]
    await socket.close()
    async with asyncio.timeout(PATIENCE):
        while await stage.health():
            await asyncio.sleep(0)


async def test_an_interrupt_ends_what_is_said_and_what_waits(stage):
    socket, _ = await stage.connect(rate=16_000)
    for _ in range(2):
        await socket.send_bytes(speech(5, 16_000).tobytes())
        await socket.send_json({"type": "say-end"})
    assert (await told(socket))["state"] == "start"
    await socket.send_json({"type": "interrupt"})
    ends = [await told(socket) for _ in range(2)]
    assert [(end["utterance"], end["reason"]) for end in ends] == [(1, "interrupted"), (2, "interrupted")]
    await socket.send_bytes(speech(0.3, 16_000).tobytes())
    await socket.send_json({"type": "say-end"})
    assert [(await told(socket)).get("reason") for _ in range(2)] == [None, "finished"]
    await socket.close()


async def test_two_clients_speak_through_one_named_session_and_each_is_told_its_own(stage):
    first, ready = await stage.connect(rate=16_000)
    second, again = await stage.connect(rate=16_000, session=ready["session"])
    assert again["session"] == ready["session"] and await stage.health() == 1
    for socket in (first, second):
        await socket.send_bytes(speech(0.2, 16_000).tobytes())
        await socket.send_json({"type": "say-end"})
    for socket in (first, second):
        assert [(await told(socket))["state"] for _ in range(2)] == ["start", "end"]
    await first.close()
    await second.send_bytes(speech(0.2, 16_000).tobytes())
    assert (await told(second))["state"] == "start"
    await second.close()


async def test_live_sound_is_heard_as_it_comes(stage):
    socket, _ = await stage.connect(rate=16_000, live=True)
    block = (np.full(320, 8192, "<i2")).tobytes()
    session = stage.factory.sessions[0]
    async with asyncio.timeout(PATIENCE):
        while not stage.factory.sinks[0].heard.any():
            await socket.send_bytes(block)
            await session._clock.sleep_until(session._clock.now() + 1800)
    assert stage.factory.sinks[0].heard.max() <= 0.25
    await socket.close()


@pytest.mark.parametrize("hello, line", [
    ("no json", "is not a JSON object"),
    ('{"rate": 96000}', "expected a whole number of Hz from 8000 to 48000"),
    ('{"rate": 16000, "session": "nobody"}', "no such session is running"),
    (b"\0\0\0\0", "the first message must be JSON text"),
])
async def test_a_wrong_beginning_is_answered_in_one_line(stage, hello, line):
    socket = await stage.client.ws_connect("/audio")
    await (socket.send_bytes(hello) if isinstance(hello, bytes) else socket.send_str(hello))
    assert line in await refused(socket)
    assert await stage.health() == 0


async def test_junk_in_between_closes_this_socket_alone(stage):
    good, ready = await stage.connect(rate=16_000)
    bad, _ = await stage.connect(rate=16_000, session=ready["session"])
    await bad.send_bytes(b"\xff")
    await bad.send_str('{"type": "dance"}')
    assert "expected say-end or interrupt" in await refused(bad)
    await good.send_bytes(speech(0.2, 16_000).tobytes())
    await good.send_json({"type": "say-end"})
    assert [(await told(good))["state"] for _ in range(2)] == ["start", "end"]
    await good.close()


async def test_a_flood_is_refused(stage):
    socket, _ = await stage.connect(rate=8_000)
    for _ in range(4):                                       # 4 x 60 s
        await socket.send_bytes(bytes(960_000))
    lines = await told(socket)
    assert lines["type"] == "speak" or "waiting to be said" in lines["error"]
    if lines["type"] == "speak":
        assert "waiting to be said" in await refused(socket)


async def test_a_flood_of_little_speeches_is_refused(stage):
    socket, _ = await stage.connect(rate=16_000)
    for _ in range(100):
        await socket.send_bytes(bytes(640))
        await socket.send_str(json.dumps({"type": "say-end"}))
    async with asyncio.timeout(PATIENCE):
        async for message in socket:
            if message.json()["type"] == "error":
                assert "speeches wait to be said" in message.json()["error"]
                break
        else:
            pytest.fail("a hundred speeches at once were taken")


async def test_the_end_of_the_server_closes_the_socket(stage):
    socket, _ = await stage.connect(rate=16_000)
    await stage.factory.sessions[0].close()
    async with asyncio.timeout(PATIENCE):
        assert (await socket.receive()).type in (WSMsgType.CLOSE, WSMsgType.CLOSED)


async def test_a_plain_request_is_told_what_is_wanted(stage):
    answer = await stage.client.get("/audio")
    assert answer.status == 400 and "error" in await answer.json()
