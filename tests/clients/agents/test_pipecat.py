"""The avatar inside a real Pipecat pipeline, before a real output transport; only the clock is ours."""

import asyncio

import numpy as np
import pytest

from limner.engine.clock import TICKS_PER_MS, ManualClock
from limner.engine.testing import speech_like
from limner.streams.audio import to_s16

pytest.importorskip("pipecat", reason="Pipecat is not installed: pip install 'limner[pipecat]'")

from pipecat.frames.frames import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    EndFrame,
    ErrorFrame,
    InterruptionFrame,
    OutputImageRawFrame,
    TextFrame,
    TTSAudioRawFrame,
    TTSStartedFrame,
    TTSStoppedFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.transports.base_output import BaseOutputTransport
from pipecat.transports.base_transport import TransportParams
from pipecat.workers.runner import WorkerRunner

from limner.clients.agents.pipecat import LimnerVideoService

RATE = 24_000
PATIENCE = 60          # s; only a broken pipeline ever waits so long


class Watch(FrameProcessor):
    """Keeps every frame that passes."""

    def __init__(self) -> None:
        super().__init__()
        self.frames = []

    async def process_frame(self, frame, direction):
        await super().process_frame(frame, direction)
        self.frames.append((frame, direction))
        await self.push_frame(frame, direction)

    def of(self, *kinds):
        return [frame for frame, direction in self.frames
                if type(frame) in kinds and direction is FrameDirection.DOWNSTREAM]


class Speaker(BaseOutputTransport):
    """Pipecat's own output transport, its loudspeaker a list; notes how much it had played when the bot fell silent."""

    def __init__(self) -> None:
        super().__init__(TransportParams(audio_out_enabled=True, audio_out_sample_rate=RATE))
        self.played = bytearray()
        self.told = []

    async def start(self, frame):
        await super().start(frame)
        await self.set_transport_ready(frame)

    async def write_audio_frame(self, frame):
        self.played += frame.audio
        return True

    async def push_frame(self, frame, direction=FrameDirection.DOWNSTREAM):
        if isinstance(frame, BotStartedSpeakingFrame | BotStoppedSpeakingFrame) and direction is FrameDirection.UPSTREAM:
            self.told.append((type(frame), len(self.played)))
        await super().push_frame(frame, direction)


class Stage:
    """A pipeline that runs while the manual clock is pushed on."""

    def __init__(self, avatar, clock) -> None:
        self.clock = clock
        self.service, self.watch, self.speaker = LimnerVideoService(avatar), Watch(), Speaker()
        self.before = Watch()
        pipeline = Pipeline([self.before, self.service, self.watch, self.speaker])
        self.worker = PipelineWorker(pipeline, params=PipelineParams(audio_out_sample_rate=RATE), enable_rtvi=False,
                                     cancel_on_idle_timeout=False)

    async def __aenter__(self):
        runner = WorkerRunner(handle_sigint=False)
        await runner.add_workers(self.worker)
        self.running = asyncio.create_task(runner.run())
        await self.until(lambda: self.watch.of(OutputImageRawFrame))
        return self

    async def __aexit__(self, *exc):
        if not self.running.done():
            await self.worker.cancel()
            await self.until(self.running.done)

    async def until(self, condition):
        async with asyncio.timeout(PATIENCE):
            while not condition():
                await self.clock.advance(10 * TICKS_PER_MS)

    async def send(self, *frames):
        for frame in frames:
            await self.worker.queue_frame(frame)

    async def finish(self):
        await self.send(EndFrame())
        await self.until(self.running.done)


@pytest.fixture
async def stage(avatar_on):
    clock = ManualClock()
    async with Stage(avatar_on(clock), clock) as it:
        yield it


def tts(seconds, context="turn", piece=1200, seed=1):
    """What a TTS service sends: started, sound in pieces, stopped; and the sound."""
    voice = speech_like(seconds * 1.5, seed, pause=0.0002)[: round(seconds * RATE)]
    sound = to_s16(voice).tobytes()
    parts = [TTSAudioRawFrame(sound[at : at + 2 * piece], RATE, 1, context_id=context) for at in range(0, len(sound), 2 * piece)]
    return [TTSStartedFrame(context_id=context), *parts, TTSStoppedFrame(context_id=context)], sound


def bright(frame):
    return np.frombuffer(frame.image, np.uint8).reshape(-1, 3)[3:].mean() > 8


async def test_speech_leaves_with_its_pictures_and_the_bot_stops_with_its_last_word(stage):
    frames, sound = tts(1.25)
    await stage.send(TextFrame("passes"), *frames)
    await stage.until(lambda: stage.watch.of(TTSStoppedFrame))
    heard = stage.watch.of(TTSAudioRawFrame)
    assert b"".join(frame.audio for frame in heard) == sound
    assert {(frame.sample_rate, frame.num_channels, frame.context_id) for frame in heard} == {(RATE, 1, "turn")}
    assert stage.watch.of(TTSStoppedFrame) == [frames[-1]] and len(stage.watch.of(TextFrame)) == 1
    order = [type(frame) for frame, _ in stage.watch.frames]
    assert order.index(TTSStartedFrame) < order.index(TTSAudioRawFrame)
    assert TTSAudioRawFrame not in order[order.index(TTSStoppedFrame):]

    pictures = stage.watch.of(OutputImageRawFrame)
    assert {(picture.size, picture.format) for picture in pictures} == {((16, 16), "RGB")}
    lit = [picture.pts for picture in pictures if bright(picture)]
    assert abs(lit[0] - heard[0].pts) <= 40_000_000                     # ns: the first lit picture is at the first sound
    assert 0 <= heard[-1].pts + 20_000_000 - lit[-1] <= 120_000_000     # and lips close with the last

    await stage.until(lambda: len(stage.speaker.told) == 2)
    assert [kind for kind, _ in stage.speaker.told] == [BotStartedSpeakingFrame, BotStoppedSpeakingFrame]
    played = stage.speaker.told[1][1]
    assert bytes(stage.speaker.played[: len(sound)]) == sound
    assert len(sound) <= played < len(sound) + RATE // 25 * 2 + 1         # the transport fills up its last 40 ms


async def test_an_interruption_passes_and_stops_the_avatar_at_once(stage):
    frames, sound = tts(5.0)
    await stage.send(*frames)
    await stage.until(lambda: len(stage.watch.of(TTSAudioRawFrame)) > 50)
    await stage.send(InterruptionFrame())
    await stage.until(lambda: stage.watch.of(InterruptionFrame))
    heard = len(stage.watch.of(TTSAudioRawFrame))
    assert heard < 120
    pictures = len(stage.watch.of(OutputImageRawFrame))
    await stage.until(lambda: len(stage.watch.of(OutputImageRawFrame)) > pictures + 50)
    assert len(stage.watch.of(TTSAudioRawFrame)) == heard and not stage.watch.of(TTSStoppedFrame)
    assert not any(map(bright, stage.watch.of(OutputImageRawFrame)[-40:]))
    assert stage.speaker.told[-1][0] is BotStoppedSpeakingFrame

    again, sound = tts(0.5, "next", seed=4)
    await stage.send(*again)
    await stage.until(lambda: stage.watch.of(TTSStoppedFrame))
    assert b"".join(f.audio for f in stage.watch.of(TTSAudioRawFrame) if f.context_id == "next") == sound
    assert stage.watch.of(TTSStoppedFrame) == [again[-1]]


async def test_the_end_of_the_pipeline_waits_for_what_is_being_said(stage):
    frames, sound = tts(1.0)
    more, second = tts(0.4, "second", seed=2)
    await stage.send(*frames, *more[:-1])                               # the last one is never told to stop
    await stage.finish()
    assert b"".join(frame.audio for frame in stage.watch.of(TTSAudioRawFrame)) == sound + second
    assert stage.watch.of(TTSStoppedFrame) == [frames[-1]]
    assert type(stage.watch.frames[-1][0]) is EndFrame


async def test_silence_that_is_stopped_passes(stage):
    stopped = TTSStoppedFrame(context_id="nothing was said")
    await stage.send(stopped)
    await stage.until(lambda: stage.watch.of(TTSStoppedFrame))
    assert stage.watch.of(TTSStoppedFrame) == [stopped]


async def test_sound_that_cannot_be_used_is_an_error_frame_and_nothing_more(stage):
    await stage.send(TTSAudioRawFrame(bytes(640), 96_000, 1))
    frames, sound = tts(0.3)
    await stage.send(*frames)
    await stage.until(lambda: stage.watch.of(TTSStoppedFrame))
    errors = [frame for frame, _ in stage.before.frames if isinstance(frame, ErrorFrame)]
    assert len(errors) == 1 and "expected 1 to 8 channels at 8000 to 48000 Hz" in errors[0].error
    assert b"".join(frame.audio for frame in stage.watch.of(TTSAudioRawFrame)) == sound
