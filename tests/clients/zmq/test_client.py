"""The client against the product's own sink and source, over real sockets; it imports nothing of limner."""

import ast
import asyncio
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import zmq.auth

from limner.clients.zmq import client as module
from limner.clients.zmq.client import Client, Refused
from limner.engine.clock import ManualClock
from limner.streams.desk import Desk
from limner.streams.formats import Formatter
from limner.streams.sinks.zeromq import create
from limner.streams.sources.zeromq import create as create_source
from tests.streams.mp4_reader import beeps, chunks_of, plain
from tests.streams.sounds import tone
from tests.streams.test_desk import Stage

SIZE = (64, 64)
HERE = "tcp://127.0.0.1:*"


def test_it_needs_nothing_of_limner():
    names = {node.module or "" for node in ast.walk(ast.parse(Path(module.__file__).read_text())) if isinstance(node, ast.ImportFrom)}
    assert not [name for name in names if "limner" in name]


async def joined(client, sink):
    """Show pictures until the client, whose calls block, has one."""
    while (message := await asyncio.to_thread(client.receive, 0.01)) is None or message.topic != "video":
        await sink.show(plain(0))


async def next_video(client, pts):
    while True:
        message = await asyncio.to_thread(client.receive, 5)
        assert message is not None
        if message.topic == "video" and message.header["pts"] == pts:
            return message


@pytest.mark.parametrize("options", ["format=i420", "format=rgb", "format=bgra", "format=i420&shm=1", "format=bgra&shm=1"])
async def test_pictures_of_every_form(options):
    y, x = np.mgrid[0:96, 0:64]
    picture = plain(3600)
    picture.planes[:] = (2 * x + y + 16) % 200 + 20
    async with create(f"{HERE}?{options}", size=SIZE, fps=25) as sink:
        with Client(sink.address) as client:
            await joined(client, sink)
            await sink.show(picture)
            got = (await next_video(client, 3600)).rgb()
    # Fixed-point conversions of OpenCV and of the client round differently, by one level.
    assert np.abs(got.astype(int) - Formatter("rgb")(picture).data).max() <= 1


async def test_a_reader_that_was_overtaken_counts_what_it_missed():
    async with create(f"{HERE}?shm=1", size=SIZE, fps=25) as sink:
        with Client(sink.address, topics=["video"]) as client:
            await joined(client, sink)
            client.missed = 0
            for k in range(1, 13):
                await sink.show(plain(3600 * k))
            first = await next_video(client, 3600 * 5)
            assert first.data.size and client.missed >= 4


async def test_sound_expressions_and_events():
    async with create(HERE, size=SIZE, fps=25) as sink:
        with Client(sink.address, topics=["video", "audio", "event"]) as client:
            await joined(client, sink)
            chunk = chunks_of(beeps(2))[51]
            await sink.play(chunk)
            while (message := await asyncio.to_thread(client.receive, 5)).topic != "audio":
                pass
            np.testing.assert_array_equal(message.data, chunk.samples)


async def test_commands_and_their_answers():
    stage, sink = Stage(), create(f"{HERE}?control={HERE}", size=SIZE, fps=25)
    sink.attend(Desk(stage))
    async with sink:
        with Client(control=sink.reception.address) as client:
            assert await asyncio.to_thread(client.say, (tone(0.5, 48_000) * 32767).astype(np.int16), 48_000) == 1
            assert await asyncio.to_thread(client.say, tone(0.5), 16_000) == 2
            await asyncio.to_thread(client.express, np.full(58, 0.5, np.float32))
            await asyncio.to_thread(client.express, None)
            await asyncio.to_thread(client.interrupt)
            assert (await asyncio.to_thread(client.status))["latency_ms"] == 100
            with pytest.raises(Refused, match="there are: none"):
                await asyncio.to_thread(client.avatar, "nobody")
    assert [utterance._given + utterance.held for utterance in stage.said] == [0, 0]      # interrupted
    assert stage.told[0].weights[0] == 0.5 and stage.told[1:] == [None, "interrupt"]


def test_nobody_answers():
    with Client(control="tcp://127.0.0.1:1") as client, pytest.raises(TimeoutError, match="no answer to interrupt"):
        client.command("interrupt", timeout=0.05)


async def test_a_voice_is_heard():
    sound = tone(0.2)
    async with create_source(HERE, clock=ManualClock()) as source:
        with Client(voice=source.address) as client:
            await asyncio.to_thread(client.speak, sound, 16_000)
            async for chunk in source:
                np.testing.assert_array_equal(chunk.samples, sound[: len(chunk.samples)])
                break


async def test_an_encrypted_bus(tmp_path):
    (tmp_path / "clients").mkdir()
    for name in ("server", "friend"):
        zmq.auth.create_certificates(tmp_path, name)
    (tmp_path / "friend.key").rename(tmp_path / "clients" / "friend.key")
    keys = (*zmq.auth.load_certificate(tmp_path / "friend.key_secret"), zmq.auth.load_certificate(tmp_path / "server.key")[0])
    secured = f"key={tmp_path / 'server.key_secret'}&clients={tmp_path / 'clients'}"
    sink = create(f"{HERE}?{secured}&control={HERE}", size=SIZE, fps=25)
    sink.attend(Desk(Stage()))
    async with sink:
        with Client(sink.address, sink.reception.address, keys=keys) as client:
            await joined(client, sink)
            assert (await asyncio.to_thread(client.status))["avatars"] == []


def test_another_process_does_not_take_the_memory_away_with_it():
    """`SharedMemory` before Python 3.13 deletes memory it only attached to when its process ends."""
    from limner.streams.slots import SlotWriter

    writer = SlotWriter(100)
    slot = writer.write(np.full(100, 7, np.uint8))
    read = f"from limner.clients.zmq.client import _open; print(_open({slot.name!r})[{slot.offset}])"
    for _ in range(2):
        assert subprocess.run([sys.executable, "-c", read], capture_output=True, text=True, check=True, timeout=60).stdout == "7\n"
    writer.close()
