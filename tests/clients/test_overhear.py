"""Whom the avatar talks with, as a second source beside the session."""

import asyncio

import pytest

from limner.clients.overhear import check_live, listening
from limner.engine.clock import ManualClock
from limner.engine.errors import DeviceError, UsageError
from limner.engine.testing import FakeSource, run_for, speech_like


class Ear:
    """The part of a session that listens."""

    def __init__(self) -> None:
        self.heard = []

    def listen(self, chunk) -> None:
        self.heard.append(chunk)


class Unplugged(FakeSource):
    async def __aenter__(self):
        raise DeviceError("no such microphone")


class Failing(FakeSource):
    async def __aiter__(self):
        raise DeviceError("it was unplugged")
        yield


async def test_the_session_hears_every_chunk_while_it_lasts():
    clock, ear, samples = ManualClock(), Ear(), speech_like(1.0)

    async def conversation():
        async with listening(ear, FakeSource(samples, clock)):
            await clock.sleep_until(90_000)

    await run_for(clock, asyncio.ensure_future(conversation()), 100_000)
    assert 49 <= len(ear.heard) <= 50                        # of 20 ms each
    assert [chunk.start for chunk in ear.heard] == list(range(0, 320 * len(ear.heard), 320))


async def test_without_a_source_nothing_is_heard():
    ear = Ear()
    async with listening(ear, None):
        pass
    assert not ear.heard


async def test_a_source_that_cannot_be_opened_says_so():
    with pytest.raises(DeviceError, match="no such microphone"):
        async with listening(Ear(), Unplugged(speech_like(0.1), ManualClock())):
            pass


async def test_a_source_that_fails_later_is_logged_and_nothing_else(caplog):
    async with listening(Ear(), Failing(speech_like(0.1), ManualClock())):
        for _ in range(3):
            await asyncio.sleep(0)
    assert "listens no more: it was unplugged" in caplog.text


def test_a_recording_is_nobody_to_talk_with():
    clock = ManualClock()
    there = FakeSource(speech_like(0.1), clock)
    assert check_live("mic", there) is there
    with pytest.raises(UsageError, match=r"--listen talk\.wav: expected mic"):
        check_live("talk.wav", FakeSource(speech_like(0.1), clock, live=False))
