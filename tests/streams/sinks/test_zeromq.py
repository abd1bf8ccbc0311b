import contextlib

import numpy as np
import pytest
import zmq
import zmq.asyncio
import zmq.auth
from limner.engine.errors import DeviceError
from limner.engine.testing import check_sink
from limner.streams.sinks.zeromq import create
from limner.streams.wire import unpack

from tests.streams.mp4_reader import beeps, chunks_of, plain

SIZE = (64, 64)
HERE = "tcp://127.0.0.1:*"


@contextlib.asynccontextmanager
async def subscriber(sink, setup=lambda socket: None):
    """A socket that has surely joined: it has received a message."""
    context = zmq.asyncio.Context()
    socket = context.socket(zmq.SUB)
    socket.linger = 0
    setup(socket)
    socket.subscribe(b"")
    socket.connect(sink.address)
    try:
        for _ in range(2000):
            await sink.show(plain(0))
            if await socket.poll(5):
                break
        yield socket
    finally:
        socket.close()
        context.term()


async def receive(socket, topic):
    """The next messages of a topic."""
    while True:
        message = unpack(await socket.recv_multipart())
        if message.topic == topic and message.body.pts:
            return message


async def test_the_contract():
    await check_sink(create(HERE, size=SIZE, fps=25), size=SIZE)


async def test_pictures_and_sound_arrive_as_they_left():
    sound = beeps(2)
    async with create(HERE, size=SIZE, fps=25) as sink, subscriber(sink) as socket:
        await sink.show(plain(3600, luma=77))
        got = await receive(socket, "video")
        assert (got.body.pts, got.body.planes[0, 0], got.session) == (3600, 77, sink.session)
        assert got.times["sent"] > 0
        chunk = chunks_of(sound)[51]
        await sink.play(chunk)
        got = await receive(socket, "audio")
        np.testing.assert_array_equal(got.body.samples, chunk.samples)
        assert (got.body.start, got.body.pts) == (chunk.start, chunk.pts)


async def test_no_subscriber_and_a_slow_one_hold_nothing_up():
    async with create(HERE, size=SIZE, fps=25) as sink:
        for k in range(200):
            await sink.show(plain(k * 3600))
        async with subscriber(sink):
            for k in range(200):
                await sink.show(plain(k * 3600))


async def test_an_address_in_use():
    async with create(HERE, size=SIZE, fps=25) as sink:
        with pytest.raises(DeviceError, match="cannot be bound"):
            await create(sink.address, size=SIZE, fps=25).__aenter__()


@pytest.fixture
def keys(tmp_path):
    """A server's certificate, and those of a friend (known to it) and a stranger."""
    (tmp_path / "clients").mkdir()
    for name in ("server", "friend", "stranger"):
        zmq.auth.create_certificates(tmp_path, name)
    (tmp_path / "friend.key").rename(tmp_path / "clients" / "friend.key")
    return tmp_path


async def test_curve_lets_a_friend_in_and_nobody_else(keys):
    server = zmq.auth.load_certificate(keys / "server.key")[0]

    def as_client(name):
        def setup(socket):
            socket.curve_publickey, socket.curve_secretkey = zmq.auth.load_certificate(keys / f"{name}.key_secret")
            socket.curve_serverkey = server
        return setup

    endpoint = f"{HERE}?key={keys / 'server.key_secret'}&clients={keys / 'clients'}"
    async with create(endpoint, size=SIZE, fps=25) as sink:
        context = zmq.asyncio.Context()
        stranger = context.socket(zmq.SUB)
        stranger.linger = 0
        as_client("stranger")(stranger)
        stranger.subscribe(b"")
        stranger.connect(sink.address)
        async with subscriber(sink, as_client("friend")) as friend:
            await sink.show(plain(7200))
            assert (await receive(friend, "video")).body.pts == 7200
            assert not await stranger.poll(50)
        stranger.close()
        context.term()

