import asyncio

import numpy as np
import pytest
from limner.engine.errors import Busy, InputError, UsageError
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


@pytest.fixture
async def stage():
    return Stage()


@pytest.fixture
async def desk(stage):
    async def change(name):
        stage.told.append(name)
        if name == "broken":
            raise InputError("no such face")

    desk = Desk(stage, avatars=["iris", "broken"], change=change)
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


async def test_status(desk):
    assert desk.perform(Event("status")) == {"latency_ms": 100.0, "pts": 0, "avatars": ["broken", "iris"], "utterances": []}
