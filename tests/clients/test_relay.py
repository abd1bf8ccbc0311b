"""Behind walls: `limner serve` names a TURN server, and nothing gets through but what that relays (coturn)."""

import asyncio
import contextlib
import shutil
import socket

import aioice.ice
import numpy as np
import pytest
from aiohttp.test_utils import TestServer

from limner.clients.serve import ServeOptions, make_app
from limner.clients.serve_avatars import Gallery
from limner.engine.clock import MonotonicClock, ticks_from_samples
from limner.engine.config import Settings
from limner.engine.errors import DeviceError
from limner.engine.session import Session
from limner.engine.testing import CollectSink, FakeAnimator, FakeExtractor
from limner.engine.types import AudioChunk, Picture
from limner.streams.icelinks import IceServer
from limner.streams.sinks.whip import create
from tests.streams.sounds import tone

PATIENCE = 30          # s; only a broken connection ever waits so long
TOKEN = "a-token-of-good-length"
USER, CREDENTIAL = "guest", 'a,"quoted" secret'


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return taken.getsockname()[1]


@pytest.fixture
async def turn():
    """The port of a TURN server on this machine, for udp and tcp."""
    if not shutil.which("turnserver"):
        pytest.skip("no turnserver: apt install coturn")
    port = free_port()
    server = await asyncio.create_subprocess_exec(
        "turnserver", "-n", "--no-cli", "-L", "127.0.0.1", "-E", "127.0.0.1", "-p", str(port), "-a", "-u", f"{USER}:{CREDENTIAL}", "-r", "local",
        "--allow-loopback-peers", "--no-tls", "--no-dtls", "--log-file", "stdout", "--pidfile", "", stdout=asyncio.subprocess.DEVNULL)
    async with asyncio.timeout(PATIENCE):
        while True:
            with contextlib.suppress(OSError):
                (await asyncio.open_connection("127.0.0.1", port))[1].close()
                break
            await asyncio.sleep(0.02)
    yield port
    server.terminate()
    await server.wait()


@pytest.fixture(autouse=True)
def walls(monkeypatch):
    """No address of this machine can be reached by anybody."""
    def nowhere(use_ipv4, use_ipv6):
        return []

    nowhere.offers_loopback = True
    monkeypatch.setattr(aioice.ice, "get_host_addresses", nowhere)


class House:
    """Makes the sessions of a server; `heard` is what the newest one says."""

    async def __call__(self, request):
        self.heard = CollectSink()
        return Session(extractor=FakeExtractor(), animator=FakeAnimator(16), sinks=[*request.sinks, self.heard],
                       clock=MonotonicClock(), settings=Settings(fps=request.fps, size=request.size))


async def talk(sink) -> None:
    """A tone in real time, and a grey square with it."""
    clock, at, sound = MonotonicClock(), 0, tone(0.02)
    picture = np.full((96, 64), 128, np.uint8)
    while True:
        start = at * len(sound)
        await sink.play(AudioChunk(sound, 16_000, start, ticks_from_samples(start), 0))
        await sink.show(Picture(picture, (64, 64), ticks_from_samples(start), captured_ns=0))
        at += 1
        await clock.sleep_until(ticks_from_samples(at * len(sound)))


def push(server):
    return create(f"http://127.0.0.1:{server.port}/whip?size=256", size=(64, 64), fps=50)


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_a_stream_goes_through_the_relay_that_the_server_names(turn, monkeypatch, transport):
    monkeypatch.setenv("LIMNER_WHIP_TOKEN", TOKEN)
    house = House()
    relay = IceServer(f"turn:127.0.0.1:{turn}?transport={transport}", USER, CREDENTIAL)
    served = TestServer(make_app(house, Gallery(), ServeOptions(token=TOKEN, ice_servers=(relay,))))
    async with asyncio.timeout(PATIENCE), served as server, push(server) as sink:
        offered = sink._pc.localDescription.sdp.splitlines()
        assert {line.split(" typ ")[1].split()[0] for line in offered if line.startswith("a=candidate:")} == {"relay"}
        talking = asyncio.create_task(talk(sink))
        while np.abs(house.heard.heard[-3200:]).max(initial=0) < 0.1:
            await asyncio.sleep(0.02)
        talking.cancel()


async def test_without_it_there_is_no_way(monkeypatch):
    monkeypatch.setattr("limner.streams.sinks.whip.CONNECT_WITHIN", 1)
    async with asyncio.timeout(PATIENCE), TestServer(make_app(House(), Gallery(), ServeOptions())) as server:
        with pytest.raises(DeviceError, match="no media connection came about"):
            await push(server).__aenter__()
