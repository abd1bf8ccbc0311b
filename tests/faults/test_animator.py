"""A network that fails in the midst of a session: the embedded face of the same person goes on."""

import asyncio
import logging

import numpy as np
import pytest

from limner.clients import assemble, loader
from limner.clients.options import Options
from limner.engine.clock import TICKS, ManualClock
from limner.engine.testing import CollectSink, FakeAnimator, FakeExtractor, speech_like
from limner.models.avatar import default_avatar

PAPER = Options(animator="paper", size=256)


class Seated(FakeAnimator):
    def sit_avatar(self, avatar):
        return None


@pytest.fixture
def paper(monkeypatch):
    """An animator called paper, as if its file were in the registry; the last one made."""
    made = []
    load = loader.load

    class Paper:
        EXTRACTOR = "drivers/paper"

        @staticmethod
        def create(options):
            made.append(Seated(options.size))
            return made[-1]

    class Ear:
        @staticmethod
        def create(options):
            return FakeExtractor()

    own = {("animators", "paper"): Paper, ("drivers", "paper"): Ear}
    monkeypatch.setattr(loader, "load", lambda kind, name: own.get((kind, name)) or load(kind, name))
    return made


async def drive(clock: ManualClock, until) -> None:
    """Move time on; drawing is on a real thread, which is given its turn."""
    async with asyncio.timeout(60):
        while not until():
            await clock.advance(TICKS // 200)
            await asyncio.sleep(0.001)


async def test_the_embedded_face_takes_over_and_says_so(paper, caplog):
    clock, sink = ManualClock(), CollectSink()
    session = assemble.session(PAPER, sinks=[sink], clock=clock)
    running = asyncio.ensure_future(session.run())
    session.say(speech_like(30.0, pause=0.05))
    await drive(clock, lambda: len(sink.pictures) > 10)
    assert np.ptp(sink.pictures[-1].planes[8:256, 8:]) == 0                  # a sheet of one grey
    paper[-1].fail = True
    with caplog.at_level(logging.ERROR, "limner"):
        await drive(clock, lambda: sink.pictures[-1].drawn == "key" and sink.pictures[-1].planes[:256].std() > 20)
    assert [r.message for r in caplog.records if "draw" in r.message] == [
        "drawing failed, the fallback takes over: the fake animator was told to fail"]
    assert session.metrics.counters["draw_failures"] == 1
    closing = asyncio.ensure_future(session.close())
    await drive(clock, running.done)
    await closing


def test_who_stands_by(paper, tmp_path):
    face = assemble.Face(default_avatar(), FakeExtractor(), Seated(384))
    _, spare = assemble.standby(PAPER, face)
    assert tuple(spare.size) == (384, 384)                                   # the size that is drawn, not the one asked for
    assert assemble.standby(Options(size=256), face) is None
    assert assemble.standby(Options(animator="paper", portrait=tmp_path / "idle.mp4"), face) is None
    face.animator.size = (256, 192)
    assert assemble.standby(PAPER, face) is None
