import contextlib
import dataclasses
from pathlib import Path

import cv2
import numpy as np
import pytest
import zmq
import zmq.asyncio
import zmq.auth

from limner.engine.errors import DeviceError, UsageError
from limner.engine.testing import check_sink
from limner.engine.types import Expression
from limner.streams.desk import Desk, Drawn
from limner.streams.sinks.zeromq import create
from limner.streams.wire import Event, unpack
from tests.streams.mp4_reader import beeps, chunks_of, plain
from tests.streams.test_desk import Stage, settled

SIZE = (64, 64)
HERE = "tcp://127.0.0.1:*"


@contextlib.asynccontextmanager
async def subscriber(sink, setup=lambda socket: None, warm=None):
    """A socket that has surely joined: it has received a message."""
    context = zmq.asyncio.Context()
    socket = context.socket(zmq.SUB)
    socket.linger = 0
    setup(socket)
    socket.subscribe(b"")
    socket.connect(sink.address)
    try:
        for _ in range(2000):
            await sink.show(warm or plain(0))
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


async def test_no_subscriber_holds_nothing_up():
    async with create(HERE, size=SIZE, fps=25) as sink:
        for k in range(200):
            await sink.show(plain(k * 3600))


def few(socket):
    """Two messages are held at this end."""
    socket.rcvhwm = 2


@pytest.mark.parametrize("shm", [0, 1])
async def test_a_slow_subscriber_is_dropped_and_the_others_miss_nothing(shm):
    """Raw 512x512 pictures: two who read get every one, a third who never does is never waited for."""
    big, count = (512, 512), 150
    pictures = [dataclasses.replace(plain(0, big), pts=3600 * k) for k in range(1, count + 1)]
    async with create(f"{HERE}?format=rgb&shm={shm}", size=big, fps=50) as sink, contextlib.AsyncExitStack() as stack:
        slow, *quick = [await stack.enter_async_context(subscriber(sink, setup, plain(0, big)))
                        for setup in (few, lambda socket: None, lambda socket: None)]
        for picture in pictures:
            await sink.show(picture)
            for socket in quick:
                assert (await receive(socket, "video")).body.pts == picture.pts
        late = []
        while await slow.poll(100):
            late.append(unpack(await slow.recv_multipart()).body.pts)
        # What it has is what its queues and the kernel's buffers held: from the beginning, and not the end.
        assert shm or (len(late) < count and pictures[-1].pts not in late)


@pytest.mark.parametrize("kind, shape", [("i420", (96, 64)), ("rgb", (64, 64, 3)), ("bgra", (64, 64, 4))])
async def test_forms_and_shared_memory_carry_the_same_bytes(kind, shape):
    async with create(f"{HERE}?format={kind}", size=SIZE, fps=25) as plainly, subscriber(plainly) as socket:
        await plainly.show(plain(3600, luma=77))
        body = (await receive(socket, "video")).body
        expected = body.planes if kind == "i420" else body.data
        assert expected.shape == shape
    async with create(f"{HERE}?format={kind}&shm=1", size=SIZE, fps=25) as sink, subscriber(sink) as socket:
        await sink.show(plain(3600, luma=77))
        slot = (await receive(socket, "video")).body.slot
        memory = np.fromfile(Path("/dev/shm") / slot.name, np.uint8) if Path("/dev/shm").is_dir() else pytest.skip("no /dev/shm")
        np.testing.assert_array_equal(memory[slot.offset : slot.offset + slot.size], expected.reshape(-1))
    assert not (Path("/dev/shm") / slot.name).exists()


async def test_jpeg():
    async with create(f"{HERE}?format=jpeg&quality=80", size=SIZE, fps=25) as sink, subscriber(sink) as socket:
        await sink.show(plain(3600, luma=77))
        body = (await receive(socket, "video")).body
    assert body.kind == "jpeg" and cv2.imdecode(body.data, cv2.IMREAD_COLOR).shape == (64, 64, 3)


@pytest.mark.parametrize("options, found", [("format=gif", "expected one of"), ("quality=x", "1 to 100"), ("shm=2", "0 or 1"),
                                            ("size=3", "unknown option"), ("control=tcp://0.0.0.0:1", "others could"),
                                            ("control=7", "expected an endpoint")])
def test_options_that_are_not_taken(options, found):
    with pytest.raises(UsageError, match=found):
        create(f"{HERE}?{options}", size=SIZE, fps=25)


async def test_what_each_picture_shows_and_what_happens_is_told():
    drawn = {3600: Drawn(3600, True, Expression(np.full(52, 0.5, np.float32), np.zeros(6, np.float32), 3600)),
             7200: Drawn(3600, True, None), 10800: Drawn(10800, False, None)}
    stage = Stage()
    desk = Desk(stage, drawn=drawn.get)
    sink = create(f"{HERE}?control={HERE}", size=SIZE, fps=25)
    sink.attend(desk)
    async with sink, subscriber(sink) as socket:
        got = []

        async def news(count):
            while len(got) < count:
                message = unpack(await socket.recv_multipart())
                if message.topic in ("expression", "event"):
                    got.append(message)

        for pts in drawn:
            await sink.show(plain(pts))
        await news(3)
        assert [m.topic for m in got] == ["expression", "event", "event"]
        assert got[0].body.weights[5] == 0.5 and got[0].body.pts == 3600
        assert [(m.body.name, m.body.data["state"], m.body.pts) for m in got[1:]] == [("voice", "started", 3600), ("voice", "stopped", 10800)]
        chunk = chunks_of(beeps(1))[0]
        assert desk.perform(Event("say", body=chunk)) == {"utterance": 1}
        stage.said[0].lay(0, 320)
        await sink.play(chunk)
        stage.said[0].settle("finished")
        desk.interrupt()
        await settled()
        await sink.play(chunks_of(beeps(1))[1])
        await news(6)
        told = [(m.body.name, m.body.data.get("state")) for m in got[3:]]
        assert told[0] == ("utterance", "started") and sorted(told[1:], key=str) == [("interrupted", None), ("utterance", "finished")]


async def test_everything_is_freed_when_the_second_address_is_in_use():
    async with create(HERE, size=SIZE, fps=25) as other:
        sink = create(f"{HERE}?shm=1&control={other.address}", size=SIZE, fps=25)
        with pytest.raises(DeviceError, match="cannot be bound"):
            await sink.__aenter__()
        again = sink.address
    async with create(again, size=SIZE, fps=25):
        pass


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

