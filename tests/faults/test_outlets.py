"""A disk that fills up, an encoder that breaks, outlets that stall: one outlet's trouble stays its own."""

import asyncio
import logging
import os

import av
import numpy as np
import pytest

from limner.engine.clock import TICKS, ManualClock, MonotonicClock
from limner.engine.config import Settings
from limner.engine.session import Session
from limner.engine.testing import CollectSink, FakeAnimator, FakeExtractor, InlineLane, run_for
from limner.streams.sinks.recorder import Recorder
from limner.streams.sinks.webrtc import WebRTCSink
from tests.streams.mp4_reader import plain, read_film

PATIENCE = 30
SIZE = (256, 256)


class Noise(FakeAnimator):
    """Pictures no encoder can make small."""

    def draw(self, window):
        frame = super().draw(window)
        frame.pixels[:] = np.random.default_rng(window.pts % 2**31).integers(0, 256, frame.pixels.shape)
        return frame


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 2 MB, or a skip where one cannot be mounted."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if os.system(f"mount -t tmpfs -o size=2m tmpfs '{folder}' 2>/dev/null"):
        pytest.skip("mounting a small file system needs root")
    yield folder
    os.system(f"umount -l '{folder}'")


async def test_a_full_disk_ends_the_recording_and_nothing_else(small_disk, caplog):
    recorder, other = Recorder(small_disk / "film.mp4", size=SIZE, fps=25), CollectSink()
    session = Session(extractor=FakeExtractor(), animator=Noise(SIZE[0]), sinks=[recorder, other], clock=MonotonicClock(),
                      settings=Settings(size=SIZE[0]))
    running = asyncio.create_task(session.run())
    with caplog.at_level(logging.ERROR, "limner"):
        async with asyncio.timeout(PATIENCE):
            while not session.metrics.counters["sink_failures"]:
                await asyncio.sleep(0.01)
            before = len(other.pictures)
            while len(other.pictures) < before + 10:
                await asyncio.sleep(0.01)
            await session.close()
            await running
    assert "no room left on the disk" in caplog.text and "Recorder failed and was closed" in caplog.text
    assert other.closed == 1 and [p.name for p in small_disk.iterdir()] == ["film.part.mp4"]
    assert len(read_film(small_disk / "film.part.mp4").times) >= 5             # what fitted, plays


class BrokenCodec:
    bit_rate = 0

    def encode(self, frame):
        raise av.error.ExternalError(-1, "the encoder is broken")


async def watched(sink: WebRTCSink):
    """A viewer whose tracks take packets, without a network."""
    viewer = sink.viewer()
    viewer.video._on_start()
    viewer.video.flowing = viewer.audio.flowing = True
    return viewer


async def test_an_encoder_that_breaks_is_replaced():
    sink = WebRTCSink((64, 64), 25)
    async with sink, asyncio.timeout(PATIENCE):
        viewer = await watched(sink)
        await sink.show(plain(0))
        await sink.show(plain(3600))
        sink._encoders["h264", False]._context = BrokenCodec()
        for k in range(2, 8):
            await sink.show(plain(k * 3600))
        await sink._encoding
    assert sink.encoder_failures == 1
    packets = list(viewer.video._packets)
    assert [p.pts for p in packets] == [k * 3600 for k in range(8)]            # the picture it broke on is there too
    assert sum(p.is_keyframe for p in packets) == 2                            # so that the new one's can be decoded


async def test_an_encoder_that_cannot_be_replaced_is_an_error(monkeypatch):
    monkeypatch.setattr("limner.streams.encode.VideoEncoder._open", lambda self: BrokenCodec())
    sink = WebRTCSink((64, 64), 25)
    async with asyncio.timeout(PATIENCE):
        await sink.__aenter__()
        await watched(sink)
        with pytest.raises(av.error.ExternalError, match="broken"):
            for k in range(10):
                await sink.show(plain(k * 3600))
        await sink.__aexit__(None, None, None)


async def test_closing_waits_for_all_stuck_outlets_at_once():
    """Two seconds in all, however many do not answer."""
    clock = ManualClock()
    stuck = [CollectSink(clock, block_at=3) for _ in range(3)]
    session = Session(extractor=FakeExtractor(), animator=FakeAnimator(), sinks=stuck, clock=clock, lane=InlineLane(clock))
    running = asyncio.ensure_future(session.run())
    await run_for(clock, running, TICKS)
    closing, began = asyncio.ensure_future(session.close()), clock.now()
    await clock.settle()
    while not closing.done():
        await run_for(clock, running, TICKS // 50)
    assert clock.now() - began <= 2 * TICKS + TICKS // 25 and [sink.closed for sink in stuck] == [1, 1, 1]
