import asyncio
import contextlib

import numpy as np
import pytest

from limner.engine.clock import ManualClock
from limner.engine.errors import Busy, InputError, UsageError
from limner.engine.session import Session
from limner.engine.testing import FakeAnimator, FakeExtractor
from limner.engine.types import AudioChunk, Expression
from limner.engine.utterance import Utterance
from limner.streams.desk import WAITING, Desk
from limner.streams.wire import Event

SOUND = AudioChunk(np.zeros(8_000, np.float32), 16_000, 0, 0, 0)


class Stage:
    """What a session is to a desk."""

    def __init__(self):
        self.told, self.said = [], []

    def latency(self):
        return 9000

    def say(self, speech):
        self.said.append(Utterance())
        self.said[-1].feed(speech)
        return self.said[-1]

    def interrupt(self):
        self.told.append("interrupt")
        for utterance in self.said:
            utterance.settle("interrupted")

    def express(self, expression):
        self.told.append(expression)

    async def attach(self, sink):
        await sink.__aenter__()

    async def detach(self, sink):
        with contextlib.suppress(InputError):
            await sink.__aexit__(None, None, None)


@pytest.fixture
async def stage():
    return Stage()


@pytest.fixture
async def desk(stage):
    async def change(name):
        stage.told.append(name)
        if name == "broken":
            raise InputError("no such face")

    desk = Desk(stage, avatars=["iris", "broken"], change=change, moods=["neutral", "warm"], feel=stage.told.append)
    desk.heard = []
    desk.tell(lambda event: desk.heard.append((event.name, dict(event.data))))
    return desk


async def settled():
    for _ in range(3):
        await asyncio.sleep(0)


def heard_from(position):
    return AudioChunk(np.zeros(320, np.float32), 16_000, position, position * 45 // 8, 0)


async def test_an_utterance_from_beginning_to_end(stage, desk):
    assert [desk.perform(Event("say", body=SOUND))["utterance"] for _ in range(2)] == [1, 2]
    stage.said[0].lay(640, 8_000)
    desk.seen(heard_from(320))
    assert desk.heard == []
    desk.seen(heard_from(640))
    desk.seen(heard_from(960))
    stage.said[0].settle("finished")
    await settled()
    assert desk.heard == [("utterance", {"id": 1, "state": "started"}), ("utterance", {"id": 1, "state": "finished"})]
    desk.perform(Event("interrupt"))
    await settled()
    assert desk.heard[2:] == [("interrupted", {}), ("utterance", {"id": 2, "state": "interrupted"})]
    assert desk.perform(Event("status"))["utterances"] == []


async def test_speech_of_any_rate_is_said_at_the_engines(stage, desk):
    desk.perform(Event("say", body=AudioChunk(np.zeros(22_050, np.float32), 44_100, 0, 0, 0)))
    assert stage.said[0].held == 8_000


async def test_no_more_speech_waits_than_is_bearable(desk):
    for _ in range(WAITING):
        desk.perform(Event("say", body=SOUND))
    with pytest.raises(Busy):
        desk.perform(Event("say", body=SOUND))


async def test_expressions(stage, desk):
    expression = Expression.neutral()
    desk.perform(Event("express", body=expression))
    desk.perform(Event("express_none"))
    assert stage.told == [expression, None]


async def test_another_avatar(stage, desk):
    assert desk.perform(Event("avatar", {"name": "iris"})) == {"name": "iris"}
    with pytest.raises(Busy):
        desk.perform(Event("avatar", {"name": "iris"}))
    await settled()
    desk.perform(Event("avatar", {"name": "broken"}))
    await settled()
    assert desk.heard == [("avatar", {"name": "iris", "state": "changed"}),
                          ("avatar", {"name": "broken", "state": "failed", "error": "no such face"})]


@pytest.mark.parametrize("name", ["../../etc/passwd", None, 3, ["iris"]])
async def test_avatars_that_are_not_offered(desk, name):
    with pytest.raises(UsageError, match="there are: broken, iris"):
        desk.perform(Event("avatar", {"name": name}))


async def test_another_mood(stage, desk):
    assert desk.perform(Event("mood", {"name": "warm"})) == {"name": "warm"}
    assert stage.told == ["warm"]


@pytest.mark.parametrize("name", ["angry", None, 3, ["warm"]])
async def test_moods_that_there_are_not(desk, name):
    with pytest.raises(UsageError, match="there are: neutral, warm"):
        desk.perform(Event("mood", {"name": name}))
    with pytest.raises(UsageError, match="there are: none"):
        Desk(Stage()).perform(Event("mood", {"name": "warm"}))


class Film:
    """A sink that may fail to open or to close."""

    opens = closes = None

    async def __aenter__(self):
        if self.opens:
            raise self.opens

    async def __aexit__(self, *exc):
        if self.closes:
            raise self.closes


async def test_a_recording_from_beginning_to_end(desk):
    desk._film = lambda: ("a.mp4", Film())
    assert desk.perform(Event("record")) == {"name": "a.mp4"}
    with pytest.raises(Busy, match="being recorded"):
        desk.perform(Event("record"))
    await settled()
    assert desk.perform(Event("status"))["recording"] == "a.mp4"
    assert desk.perform(Event("record_stop")) == {"name": "a.mp4"}
    await settled()
    await settled()
    assert desk.perform(Event("status"))["recording"] is None
    with pytest.raises(UsageError, match="nothing is being recorded"):
        desk.perform(Event("record_stop"))
    assert desk.heard == [("recording", {"name": "a.mp4", "state": state}) for state in ("started", "stopped")]


@pytest.mark.parametrize("where", ["opens", "closes"])
async def test_a_recording_that_fails(desk, where):
    film = Film()
    setattr(film, where, InputError("the disk is full"))
    desk._film = lambda: ("a.mp4", film)
    desk.perform(Event("record"))
    await settled()
    if where == "closes":
        desk.perform(Event("record_stop"))
        await settled()
        await settled()
    assert desk.heard[-1] == ("recording", {"name": "a.mp4", "state": "failed", "error": "the disk is full"})
    desk.perform(Event("record"))                                    # another may be tried


async def test_where_nothing_may_be_recorded(desk):
    for command in ("record", "record_stop"):
        with pytest.raises(UsageError, match="recorded"):
            desk.perform(Event(command))


async def test_status(desk):
    assert desk.perform(Event("status")) == {"latency_ms": 100.0, "pts": 0, "avatars": ["broken", "iris"],
                                             "moods": ["neutral", "warm"], "utterances": [], "recording": None}


class Delivered:
    """A sink that tells the desk what it was given."""

    def __init__(self):
        self.desk = None

    async def __aenter__(self):
        return self

    async def __aexit__(self, *exc):
        return None

    async def show(self, picture):
        pass

    async def play(self, chunk):
        self.desk.seen(chunk)


async def test_what_a_real_session_says_is_told_when_it_is_heard():
    clock, sink = ManualClock(), Delivered()
    session = Session(extractor=FakeExtractor(lookahead=900), animator=FakeAnimator(size=64, window=(0, 0)), sinks=[sink], clock=clock)
    desk = sink.desk = Desk(session)
    heard = []
    desk.tell(lambda event: heard.append((event.pts, event.name, event.data.get("id"), event.data.get("state"))))
    task = asyncio.create_task(session.run())

    async def run_for(ticks):
        for _ in range(ticks // 900):
            await clock.advance(900)
            await asyncio.to_thread(int)

    while not desk.perform(Event("status"))["pts"]:          # its lane, a real thread, has warmed up
        await run_for(900)
    asked = desk.perform(Event("status"))["pts"]
    for _ in range(2):
        desk.perform(Event("say", body=AudioChunk(np.full(16_000, 0.25, np.float32), 16_000, 0, 0, 0)))
    await run_for(135_000)
    desk.perform(Event("interrupt"))
    await run_for(45_000)
    await session.close()
    await task
    # The second may begin before the last picture of the first has been seen.
    assert sorted(each[1:] for each in heard[:3]) == [("utterance", 1, "finished"), ("utterance", 1, "started"), ("utterance", 2, "started")]
    assert {each[1:] for each in heard[3:]} == {("interrupted", None, None), ("utterance", 2, "interrupted")} and len(heard) == 5
    began, ended = heard[0][0], next(pts for pts, _, number, state in heard if (number, state) == (1, "finished"))
    assert 0 <= began - asked <= 18_000 and abs(ended - began - 90_000) <= 7_200      # a second, told within two pictures
