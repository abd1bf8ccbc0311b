"""What the HTTP tests cannot see from outside: what a running session is measured to cost, and who is let in by it."""

import asyncio
import logging

import pytest

from limner.clients.logs import fields
from limner.clients.serve_admission import Admission
from limner.clients.serve_sessions import Sessions
from limner.engine.clock import MonotonicClock
from limner.engine.errors import Busy
from tests.clients.serving import PATIENCE, Factory


@pytest.fixture
async def sessions():
    it = Sessions(Factory(), MonotonicClock(), admission=Admission(cores=1))
    yield it
    await it.drain()


async def until(true) -> None:
    async with asyncio.timeout(PATIENCE):
        while not true():
            await asyncio.sleep(0.01)


async def test_drawing_and_encoding_are_measured_while_somebody_watches(sessions):
    live = await sessions.open(None, 25, 256)
    await until(lambda: live.session.metrics.counters["draws_spared"] > 20)
    assert live.load.cores is None                                  # nobody watches: nothing is drawn, nothing learnt
    live.sink.viewer().video.flowing = True
    await until(lambda: live.load.cores is not None)
    assert live.sink.encoding_ns > 0 and live.load.cores > 0
    assert live.load.pixels == 25 * 256**2


async def test_what_goes_wrong_in_a_session_is_logged_with_its_id(sessions, monkeypatch):
    seen = []

    class Ear(logging.Handler):
        def emit(self, record):
            seen.append((record.getMessage(), fields(record).get("session")))

    def broken(window):
        raise RuntimeError("no more paper")

    monkeypatch.setattr(logging.getLogger("limner"), "handlers", [Ear()])
    other, live = await sessions.open(None, 25, 256), await sessions.open(None, 25, 256)
    live.sink.viewer().video.flowing = True
    await until(lambda: live.session.metrics.counters["pictures_key"] > 2)       # warmed up
    monkeypatch.setattr(live.session._studio._painter._animator, "draw", broken)
    await until(lambda: seen)
    assert "drawing failed" in seen[0][0] and seen[0][1] == live.id != other.id


async def test_a_session_that_would_make_all_late_is_refused(sessions):
    live = await sessions.open(None, 25, 256)
    live.meter.cores = 0.5
    with pytest.raises(Busy, match="cannot draw another session in time"):
        await sessions.open(None, 25, 256)
    assert len(sessions) == 1
    live.meter.cores = 0.3
    await sessions.open(None, 25, 256)
    assert len(sessions) == 2
