"""The avatar inside LiveKit's own AvatarRunner, fed by LiveKit's own audio output; only the room is a stand-in."""

import asyncio

import numpy as np
import pytest

from limner.engine.clock import TICKS_PER_MS, ManualClock, MonotonicClock
from limner.engine.testing import speech_like
from limner.streams.audio import to_s16

pytest.importorskip("livekit.agents", reason="LiveKit Agents is not installed: pip install 'limner[livekit]'")

from livekit import rtc
from livekit.agents.voice.avatar import AudioSegmentEnd, AvatarRunner, QueueAudioOutput

from limner.clients.agents.livekit import AvatarGenerator

RATE = 24_000
PATIENCE = 60          # s; only a broken runner ever waits so long


class Publication:
    async def wait_for_subscription(self):
        return None


class Room:
    """As much of `rtc.Room` as a runner asks for: connected, and everybody subscribes."""

    def __init__(self) -> None:
        self.local_participant = self
        self.published = []

    def isconnected(self):
        return True

    def on(self, event, callback):
        return callback

    off = on

    async def publish_track(self, track, options):
        self.published.append((track.kind, options.source))
        return Publication()


def sound(seconds, seed=1):
    return to_s16(speech_like(seconds * 1.5, seed, pause=0.0002)[: round(seconds * RATE)])


def frames(samples, size=960):
    """As an agent sends them, 40 ms each."""
    return [rtc.AudioFrame(samples[at : at + size].tobytes(), RATE, 1, len(samples[at : at + size]))
            for at in range(0, len(samples), size)]


@pytest.fixture
async def entered(avatar_on):
    """A generator on a manual clock, with everything it yields and when."""
    clock = ManualClock()
    generator, out = AvatarGenerator(avatar_on(clock)), []

    async def watch():
        async for frame in generator:
            out.append(frame)

    await generator.__aenter__()
    watching = asyncio.create_task(watch())
    await clock.advance(200 * TICKS_PER_MS)
    yield generator, clock, out
    leaving = asyncio.create_task(generator.__aexit__(None, None, None))
    await clock.advance(3000 * TICKS_PER_MS)
    await leaving
    await watching


async def test_it_yields_pictures_always_speech_as_it_was_pushed_and_the_end_after_its_last_word(entered):
    generator, clock, out = entered
    said = sound(1.03)
    assert out and all(isinstance(frame, rtc.VideoFrame) for frame in out)
    for frame in frames(said):
        await generator.push_audio(frame)
    await generator.push_audio(AudioSegmentEnd())
    await clock.advance(2000 * TICKS_PER_MS)
    heard = [frame for frame in out if isinstance(frame, rtc.AudioFrame)]
    assert np.array_equal(np.concatenate([np.asarray(frame.data) for frame in heard]), said)
    assert {(frame.sample_rate, frame.num_channels) for frame in heard} == {(RATE, 1)}
    kinds = [type(frame) for frame in out]
    assert kinds.count(AudioSegmentEnd) == 1
    assert rtc.AudioFrame not in kinds[kinds.index(AudioSegmentEnd):]
    spoken = out[kinds.index(rtc.AudioFrame): kinds.index(AudioSegmentEnd)]
    pictures = [frame for frame in spoken if isinstance(frame, rtc.VideoFrame)]
    assert 25 <= len(pictures) <= 28                                    # 25 fps, 1.03 s
    brightness = [np.asarray(p.convert(rtc.VideoBufferType.RGB24).data)[3:].mean() for p in pictures]
    assert np.mean(np.array(brightness) > 8) > 0.7 and {(p.width, p.height) for p in pictures} == {(16, 16)}


async def test_a_segment_waits_for_the_one_before_and_is_dropped_when_it_is_cleared_meanwhile(entered):
    generator, clock, out = entered
    await generator.push_audio(frames(sound(0.5), 12_000)[0])
    await generator.push_audio(AudioSegmentEnd())
    second = asyncio.create_task(generator.push_audio(frames(sound(0.5, 2), 12_000)[0]))
    await clock.advance(100 * TICKS_PER_MS)
    assert not second.done()
    generator.clear_buffer()
    await clock.advance(500 * TICKS_PER_MS)
    assert second.done() and not any(isinstance(frame, AudioSegmentEnd) for frame in out)
    quiet = len(out)
    await clock.advance(1000 * TICKS_PER_MS)
    assert all(isinstance(frame, rtc.VideoFrame) for frame in out[quiet:])
    await generator.push_audio(AudioSegmentEnd())                       # of what was cleared
    await generator.push_audio(frames(sound(0.5, 3), 12_000)[0])
    await generator.push_audio(AudioSegmentEnd())
    await clock.advance(1500 * TICKS_PER_MS)
    assert sum(isinstance(frame, AudioSegmentEnd) for frame in out) == 1


class Agent:
    """What an agent session does with its audio output, and the events it gets back."""

    def __init__(self) -> None:
        self.output = QueueAudioOutput(sample_rate=RATE)
        self.finished = asyncio.Queue()
        self.output.on("playback_finished", self.finished.put_nowait)

    async def say(self, samples):
        for frame in frames(samples):
            await self.output.capture_frame(frame)
        self.output.flush()

    async def report(self):
        async with asyncio.timeout(PATIENCE):
            return await self.finished.get()


@pytest.fixture
async def stage(avatar_on):
    room, agent = Room(), Agent()
    async with AvatarGenerator(avatar_on(MonotonicClock())) as generator:
        runner = AvatarRunner(room, audio_recv=agent.output, video_gen=generator,
                              options=generator.options(audio_sample_rate=RATE))
        await runner.start()
        yield agent, room, generator
        await runner.aclose()


async def test_the_runner_reports_exactly_what_was_heard(stage):
    agent, room, generator = stage
    for seconds, seed in ((0.7, 1), (0.4, 2)):
        await agent.say(sound(seconds, seed))
        finished = await agent.report()
        assert finished.interrupted is False
        assert finished.playback_position == pytest.approx(seconds, abs=1e-6)
    assert room.published == [(rtc.TrackKind.KIND_AUDIO, rtc.TrackSource.SOURCE_MICROPHONE),
                              (rtc.TrackKind.KIND_VIDEO, rtc.TrackSource.SOURCE_CAMERA)]
    assert (generator.options(audio_sample_rate=RATE).video_width, generator.options(audio_sample_rate=RATE).video_fps) == (16, 25)


async def test_two_segments_at_once_are_two_reports(stage):
    agent, _, _ = stage
    await agent.say(sound(0.5, 1))
    await agent.say(sound(0.3, 2))
    reports = [await agent.report() for _ in range(2)]
    assert [report.playback_position for report in reports] == [pytest.approx(0.5, abs=1e-6), pytest.approx(0.3, abs=1e-6)]


async def test_an_interruption_reports_how_much_was_heard_and_the_next_segment_is_whole(stage):
    agent, _, generator = stage
    started = asyncio.Event()
    await agent.say(sound(5.0))
    original = generator.avatar.hear

    def hear(chunk):
        original(chunk)
        if any(segment.given > RATE // 2 for segment in generator.avatar._segments):
            started.set()

    generator.avatar.hear = hear
    async with asyncio.timeout(PATIENCE):
        await started.wait()
    agent.output.clear_buffer()
    report = await agent.report()
    assert report.interrupted is True and 0.2 < report.playback_position < 2.5
    assert generator.avatar.session.metrics.counters["interrupts"] == 1
    await agent.say(sound(0.4, 3))
    report = await agent.report()
    # The runner counts a 20 ms frame that it was just playing when it was cleared to the segment that follows.
    assert report.interrupted is False and report.playback_position == pytest.approx(0.4, abs=0.021)
