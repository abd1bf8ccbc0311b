import asyncio

import numpy as np
import pytest
import zmq
import zmq.asyncio

from limner.engine.clock import ManualClock
from limner.engine.errors import UsageError
from limner.engine.testing import check_source
from limner.engine.types import AudioChunk, Expression
from limner.engine.utterance import Utterance
from limner.streams.audio import resample
from limner.streams.desk import Desk
from limner.streams.sources.zeromq import create
from limner.streams.wire import Event, pack
from tests.streams.mp4_reader import chunks_of, plain
from tests.streams.sounds import tone

HERE = "tcp://127.0.0.1:*"


class Listener:
    """What a session would be told."""

    def __init__(self):
        self.told = []

    def say(self, speech):
        self.told.append(len(speech))
        return Utterance()

    def interrupt(self):
        self.told.append("interrupt")

    def express(self, expression):
        self.told.append(expression)


@pytest.fixture
async def bus():
    """A running source, a sender connected to it and what it has yielded."""
    source, session, heard = create(HERE, clock=ManualClock()), Listener(), []
    source.attend(Desk(session))
    async with source:
        context = zmq.asyncio.Context()
        sender = context.socket(zmq.PUSH)
        sender.connect(source.address)

        async def listen():
            async for chunk in source:
                heard.append(chunk)

        task = asyncio.create_task(listen())

        async def send(topic, body, **more):
            """Send and wait until it was dealt with."""
            before = source.counts.total()
            await sender.send_multipart(topic if body is None else pack(topic, body, **more))
            for _ in range(500_000):
                if source.counts.total() > before:
                    return
                await asyncio.sleep(0)
            raise AssertionError("never arrived")

        yield type("Fixture", (), {"source": source, "session": session, "heard": heard, "send": staticmethod(send)})
        task.cancel()
        sender.close(linger=0)
        context.term()


@pytest.mark.parametrize("rate", [16_000, 48_000])
async def test_sound_of_any_rate_becomes_the_voice(bus, rate):
    sound = tone(0.5, rate)
    for chunk in chunks_of(sound, rate, rate // 50):
        await bus.send("audio", chunk)
    got = np.concatenate([c.samples for c in bus.heard])
    np.testing.assert_array_equal(got, resample(sound, rate)[:len(got)])
    assert len(got) >= 7_950 and bus.heard[-1].rate == 16_000
    assert [c.start for c in bus.heard] == list(np.cumsum([0] + [len(c.samples) for c in bus.heard])[:-1])


async def test_the_contract():
    source = create(HERE, clock=ManualClock())
    check = asyncio.create_task(check_source(source))
    while source.address == HERE:
        await asyncio.sleep(0)
    context = zmq.asyncio.Context()
    sender = context.socket(zmq.PUSH)
    sender.connect(source.address)
    for chunk in chunks_of(tone(0.3)):
        await sender.send_multipart(pack("audio", chunk))
    assert len(await check) == 3200
    sender.close(linger=0)
    context.term()


async def test_expressions_and_commands_reach_the_session(bus):
    expression = Expression(np.full(52, 0.5, np.float32), np.zeros(6, np.float32), 0)
    await bus.send("expression", expression)
    await bus.send("control", Event("interrupt"))
    await bus.send("control", Event("express_none"))
    await bus.send("control", Event("express", body=expression))
    await bus.send("control", Event("say", body=AudioChunk(tone(0.5, 48_000), 48_000, 0, 0, 0)))
    told = bus.session.told
    assert told[0].weights[0] == told[3].weights[0] == 0.5 and told[1:3] == ["interrupt", None] and told[4] == 8_000


async def test_a_command_that_cannot_be_done_is_no_crash(bus):
    await bus.send("control", Event("avatar", {"name": "/etc/passwd"}))
    await bus.send("audio", chunks_of(tone(0.1))[0])
    assert bus.source.counts["malformed"] == 1 and len(bus.heard) == 1


async def test_a_new_generation_interrupts(bus):
    chunk = chunks_of(tone(0.1))[0]
    for generation in (0, 0, 1, 1):
        await bus.send("audio", chunk, generation=generation)
    assert bus.session.told == ["interrupt"]


async def test_malformed_messages_are_counted_and_dropped(bus, caplog):
    for junk in ([b"audio"], [b"audio", b"junk", b"junk"], [b"\xff" * 100, b"", b""], pack("video", plain(0))):
        await bus.send(junk, None)
    await bus.send("audio", chunks_of(tone(0.1))[0])
    assert bus.source.counts["malformed"] == 4 and len(bus.heard) == 1
    assert len([r for r in caplog.records if "dropped" in r.message]) == 4


async def test_an_animator_that_takes_no_expressions_is_no_crash(bus):
    def refuse(expression):
        raise UsageError("this animator takes no expressions")

    bus.session.express = refuse
    await bus.send("expression", Expression.neutral())
    await bus.send("audio", chunks_of(tone(0.1))[0])
    assert len(bus.heard) == 1


async def test_another_machines_clock_is_not_believed(bus):
    samples = np.zeros(160, np.float32)
    for captured in (0, 10**18):
        await bus.send("audio", AudioChunk(samples, 16_000, 0, 0, 0), times={"captured": captured})
    assert [c.captured_ns for c in bus.heard] == [0, 0]       # the manual clock's now
