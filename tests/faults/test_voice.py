"""A caller's voice through loss and jitter, on simulated time: Opus packets, the real microphone source, a session."""

import asyncio
import heapq
import random

import numpy as np
import pytest
from aiortc.rtp import RtpPacket

from limner.clients.weather import Weather
from limner.engine.clock import SAMPLE_RATE, TICKS_PER_MS, ManualClock
from limner.engine.config import Settings
from limner.engine.session import Session
from limner.engine.testing import CollectSink, FakeAnimator, FakeExtractor, InlineLane, chunks_of, run_for, speech_like
from limner.streams.encode import OpusEncoder
from limner.streams.sources.webrtc import WebRTCMicrophone

BLOCK_MS = 20
STORM = range(250, 1000)              # packets: from 5 s to 20 s
SECONDS = 40


class Call:
    """`SECONDS` of talk sent through a network whose weather is bad from 5 s to 20 s."""

    def __init__(self, weather: Weather) -> None:
        self.clock = ManualClock()
        self.sink = CollectSink(self.clock)
        self.session = Session(extractor=FakeExtractor(), animator=FakeAnimator(), sinks=[self.sink], clock=self.clock,
                               settings=Settings(), lane=InlineLane(self.clock))
        self.microphone = WebRTCMicrophone(self.clock)
        self.spoken = speech_like(SECONDS, seed=5)
        self.arrivals = self._arrivals(weather)

    def _arrivals(self, weather: Weather) -> list[tuple[float, int, RtpPacket]]:
        encoder, found = OpusEncoder(), []
        packets = [p for chunk in chunks_of(self.spoken) for p in encoder.encode(chunk)]
        for k, packet in enumerate(packets):
            late = weather.fate() if k in STORM else 0.0
            if late is not None:
                rtp = RtpPacket(payload_type=96, sequence_number=k % 2**16, timestamp=k * 960, payload=bytes(packet))
                found.append(((k + 1) * BLOCK_MS + 1000 * late, k, rtp))
        heapq.heapify(found)
        return found

    async def hold(self) -> None:
        running, hearing = asyncio.ensure_future(self.session.run()), asyncio.ensure_future(self._listen())
        await self.clock.settle()
        for now in range(0, SECONDS * 1000, 5):
            while self.arrivals and self.arrivals[0][0] <= now:
                self.microphone.take(heapq.heappop(self.arrivals)[2])
            await run_for(self.clock, running, 5 * TICKS_PER_MS)
        hearing.cancel()
        closing = asyncio.ensure_future(self.session.close())
        await run_for(self.clock, running, 3000 * TICKS_PER_MS)
        await closing

    async def _listen(self) -> None:
        async for chunk in self.microphone:
            self.session.push(chunk)

    def heard(self, first: float, last: float, lag_ms: float) -> tuple[np.ndarray, np.ndarray]:
        """Loudness per 20 ms of what was said from `first` to `last` s and of what came out `lag_ms` later."""
        out = np.zeros(len(self.spoken), np.float32)
        for at, chunk in zip(self.sink.played_at, self.sink.sound, strict=True):
            start = at * SAMPLE_RATE // 90_000 - round(lag_ms * 16)
            if start >= 0 and start + 320 <= len(out):
                out[start : start + 320] = chunk.samples
        cut = slice(int(first * SAMPLE_RATE), int(last * SAMPLE_RATE))
        return tuple(np.sqrt((each[cut].reshape(-1, 320) ** 2).mean(axis=1)) for each in (self.spoken, out))

    def lag(self, first: float, last: float) -> tuple[int, float]:
        """The delay (ms) at which what came out resembles what was said most, and that correlation."""
        scores = [(float(np.corrcoef(*self.heard(first, last, lag))[0, 1]), lag) for lag in range(40, 400, 5)]
        best, lag = max(scores)
        return lag, best


# kept: share of loud 20 ms steps that are heard, at a quarter of their loudness at least, while packets are lost.
# What is lost is concealed for 60 ms (G.711 appendix I), which fills most single and double losses.
@pytest.mark.parametrize(("loss", "jitter_s", "kept"), [(0.1, 0.0, 0.98), (0.3, 0.0, 0.95), (0.0, 0.2, 0.99), (0.1, 0.2, 0.95)])
async def test_a_voice_comes_through_and_the_delay_comes_back(loss, jitter_s, kept):
    call = Call(Weather(loss, jitter_s, random.Random(7)))
    await call.hold()
    metrics, lost = call.session.metrics, call.microphone.lost
    assert lost >= 0.8 * loss * len(STORM)
    assert metrics.hops["total"].max_ns / 1e6 <= 250                       # the cap, in any weather
    lag, likeness = call.lag(6, 19)
    said, came = call.heard(6, 19, lag)
    loud = said > 0.02
    assert likeness > 0.9 and np.mean(came[loud] > said[loud] / 4) >= kept
    before, after = call.lag(1, 5), call.lag(24, 39)
    assert after[1] > 0.99 and after[0] <= before[0] + 10                  # pauses gave back what the storm had taken
    assert call.microphone.dropped == 0 and metrics.counters["pictures_key"] >= 25 * (SECONDS - 1)
