"""Speech in at any pace; pictures, the same speech and its end out, on time."""

import asyncio
import contextlib
from dataclasses import dataclass, field

import numpy as np
import pytest

from limner.clients.agents.voice import LiveAvatar, SpeechEnd, Voice
from limner.engine.clock import TICKS, TICKS_PER_MS, ManualClock
from limner.engine.errors import InputError, UsageError
from limner.engine.testing import speech_like, voiced
from limner.engine.types import Picture
from limner.streams.audio import to_s16

RATES = (8_000, 16_000, 22_050, 24_000, 44_100, 48_000)


def pcm(seconds=1.0, rate=16_000, channels=1, seed=1):
    """s16 [n, channels] that speaks from its first sample to its last; the channels differ."""
    voice = speech_like(seconds, seed, pause=0.0002)
    at = np.arange(round(seconds * rate)) * 16_000 / rate
    mono = np.interp(at, np.arange(len(voice)), voice).astype(np.float32)
    return np.stack([to_s16(mono * (1 - 0.1 * c)) for c in range(channels)], axis=1)


@dataclass
class Stage:
    avatar: LiveAvatar
    clock: ManualClock
    events: list = field(default_factory=list)             # (clock ticks, event)

    async def advance(self, ms):
        await self.clock.advance(round(ms * TICKS_PER_MS))

    async def watch(self):
        async for event in self.avatar:
            self.events.append((self.clock.now(), event))

    def of(self, kind):
        return [event for _, event in self.events if isinstance(event, kind)]

    def heard(self):
        return np.concatenate([event.pcm for event in self.of(Voice)] or [np.zeros((0, 1), np.int16)])


@pytest.fixture
async def stage(avatar_on):
    async with contextlib.AsyncExitStack() as stack:

        async def open_(fps=25, *, watched=True):
            clock = ManualClock()
            avatar = avatar_on(clock, fps)
            entering = asyncio.create_task(avatar.__aenter__())
            await clock.advance(100 * TICKS_PER_MS)
            await entering
            it = Stage(avatar, clock)
            watching = asyncio.create_task(it.watch()) if watched else None

            async def leave():
                leaving = asyncio.create_task(avatar.__aexit__(None, None, None))
                await clock.advance(3 * TICKS)
                await leaving
                if watching:
                    await watching

            stack.push_async_callback(leave)
            return it

        yield open_


@pytest.mark.parametrize("channels", (1, 2))
@pytest.mark.parametrize("rate", RATES)
async def test_speech_comes_out_as_it_went_in_and_ends_when_its_last_word_was_seen(stage, rate, channels):
    it = await stage()
    said = pcm(1.03, rate, channels)
    for at in range(0, len(said), 777):
        await it.avatar.feed(said[at : at + 777].tobytes(), rate, channels, label="first")
    assert it.avatar.end("over")
    await it.advance(2000)
    assert np.array_equal(it.heard(), said)
    assert {(event.rate, event.label) for event in it.of(Voice)} == {(rate, "first")}
    assert it.of(SpeechEnd) == [SpeechEnd("over")]
    kinds = [type(event) for _, event in it.events]
    end = kinds.index(SpeechEnd)
    assert Voice not in kinds[end:]
    assert not any(voiced(event) for _, event in it.events[end:] if isinstance(event, Picture))
    last_sound = next(at for at, event in reversed(it.events) if isinstance(event, Voice))
    assert it.events[end][0] - last_sound <= 40 * TICKS_PER_MS           # one picture


@pytest.mark.parametrize("fps", (24, 25, 30, 60))
async def test_pictures_and_speech_leave_at_the_time_they_carry(stage, fps):
    it = await stage(fps)
    await it.advance(300)
    await it.avatar.feed(pcm(1.0).tobytes(), 16_000)
    it.avatar.end()
    await it.advance(1500)
    first = it.of(Voice)[0]
    lit = next(picture for picture in it.of(Picture) if voiced(picture))
    assert 0 <= lit.pts - first.pts < 6                                # speech begins with a picture, to the sample
    origin = {at - event.pts for at, event in it.events if isinstance(event, Picture)}
    assert max(origin) - min(origin) <= TICKS_PER_MS
    sound = [at - event.pts for at, event in it.events if isinstance(event, Voice)]
    assert max(abs(each - min(origin)) for each in sound) <= 20 * TICKS_PER_MS      # handed over by the chunk


async def test_an_interrupt_lets_nothing_more_be_heard_and_no_end_be_told(stage):
    it = await stage()
    await it.avatar.feed(pcm(3.0).tobytes(), 16_000)
    it.avatar.end("never")
    await it.advance(1000)
    before = len(it.heard())
    assert before > 8_000
    it.avatar.interrupt()
    assert it.avatar.end("of nothing") is False
    await it.advance(500)
    assert len(it.heard()) == before and not it.of(SpeechEnd)
    after = len(it.events)
    await it.avatar.feed(pcm(0.5, seed=2).tobytes(), 16_000)
    it.avatar.end("anew")
    await it.advance(1000)
    assert np.array_equal(it.heard()[before:], pcm(0.5, seed=2)) and it.of(SpeechEnd) == [SpeechEnd("anew")]
    assert isinstance(it.events[after][1], Picture)                    # it went on living meanwhile


async def test_stretches_of_speech_follow_each_other_and_end_in_order(stage):
    it = await stage()
    parts = [pcm(0.4, 24_000, seed=1), pcm(0.3, 16_000, seed=2)]
    await it.avatar.feed(parts[0].tobytes(), 24_000, label=1)
    assert it.avatar.end("one") and it.avatar.end("one, again")
    await it.avatar.feed(parts[1].tobytes(), 16_000, label=2)
    it.avatar.end("two")
    spoken = asyncio.create_task(it.avatar.spoken())
    await it.advance(500)
    assert not spoken.done()
    await it.advance(1000)
    assert spoken.done()
    for label, part in zip((1, 2), parts, strict=True):
        assert np.array_equal(np.concatenate([e.pcm for e in it.of(Voice) if e.label == label]), part)
    assert [event.label for event in it.of(SpeechEnd)] == ["one", "one, again", "two"]
    assert it.avatar.end() is False


async def test_speech_that_runs_dry_gets_no_sound_it_did_not_have(stage):
    it = await stage()
    said = pcm(0.6)
    await it.avatar.feed(said[:4800].tobytes(), 16_000)
    await it.advance(1500)
    assert np.array_equal(it.heard(), said[:4800]) and not it.of(SpeechEnd)
    await it.avatar.feed(said[4800:].tobytes(), 16_000)
    it.avatar.end()
    await it.advance(1000)
    assert np.array_equal(it.heard(), said) and len(it.of(SpeechEnd)) == 1


async def test_speech_without_end_is_taken_only_as_it_is_said_and_an_interrupt_frees_who_waits(stage):
    it = await stage()

    async def flood():
        while True:
            await it.avatar.feed(bytes(2 * 16_000), 16_000)

    flooding = asyncio.create_task(flood())
    await it.advance(1000)
    assert not flooding.done()
    held = len(it.avatar._segments[0].kept) / 32_000
    assert 30 < held < 45                                              # half a minute in the session, ten seconds here
    flooding.cancel()
    waiting = asyncio.create_task(it.avatar.feed(bytes(32_000), 16_000))
    await it.advance(20)
    assert not waiting.done()
    it.avatar.interrupt()
    await it.advance(20)
    assert waiting.done() and not waiting.exception() and not it.avatar._segments


async def test_a_consumer_that_stays_away_gets_the_newest_half_second(stage):
    it = await stage(watched=False)
    await it.avatar.feed(pcm(2.0).tobytes(), 16_000)
    it.avatar.end("over")
    await it.advance(3000)
    watching = asyncio.create_task(it.watch())
    await it.advance(10)
    watching.cancel()
    shown = it.of(Picture)
    assert 11 <= len(shown) <= 14 and shown[-1].pts - shown[0].pts <= TICKS // 2
    assert it.of(SpeechEnd) == [SpeechEnd("over")]
    assert it.avatar.dropped > 100


async def test_what_cannot_be_speech_is_said_in_one_line(stage):
    it = await stage()
    with pytest.raises(UsageError, match="expected 1 to 8 channels at 8000 to 48000 Hz"):
        await it.avatar.feed(bytes(4), 96_000)
    await it.avatar.feed(bytes(640), 16_000)
    with pytest.raises(InputError, match="speech changed from 16000 Hz, 1 channels to 24000 Hz, 1"):
        await it.avatar.feed(bytes(640), 24_000)


async def test_a_session_that_fails_is_reported_to_who_watches():
    class Broken:
        async def run(self):
            raise OSError("the GPU fell off")

        async def close(self):
            return None

    async def make(sink):
        return Broken()

    async with LiveAvatar(make) as avatar:
        with pytest.raises(OSError, match="fell off"):
            async for _ in avatar:
                pass


def test_the_real_face_is_named_as_on_the_command_line():
    assert LiveAvatar.presenting(fps=30, size=256).size == (256, 256)
    with pytest.raises(UsageError, match="--fps 7"):
        LiveAvatar.presenting(fps=7)
