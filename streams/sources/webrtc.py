"""A peer's microphone as a source: packets from the network in, gap-free 16 kHz mono out, nothing held back."""

import asyncio
from collections.abc import AsyncIterator
from typing import Self

import av
import numpy as np
from aiortc.rtp import RtpPacket

from limner.engine.clock import SAMPLE_RATE, Clock, MonotonicClock, ticks_from_samples
from limner.engine.types import AudioChunk
from limner.streams.audio import Resampler, frame_to_mono
from limner.streams.jitter import VoiceOrder, VoicePacket, conceal

OPUS_RATE = 48_000            # Hz; Opus always counts RTP time in it (RFC 7587)
LONGEST_FILL = OPUS_RATE // 5 # a hole up to 200 ms is concealed; after a longer one the sound simply resumes
QUEUE = 50                    # chunks (1 s) kept for a reader that is away; older ones are dropped and counted
MEMORY = SAMPLE_RATE // 10    # sound remembered for concealment


class WebRTCMicrophone:
    """AudioSource over an aiortc audio receiver that carries Opus.

    Build it in the connection's "track" event, before the first packet. Lost packets are concealed, reordered ones put
    back, pauses of a sender with discontinuous transmission become silence, so `start` never jumps. Packets are taken
    from the network whether or not anybody reads.
    """

    rate = SAMPLE_RATE
    live = True

    def __init__(self, clock: Clock | None = None) -> None:
        self.order = VoiceOrder()
        self.dropped = 0      # chunks nobody read in time
        self.damaged = 0      # packets that are not Opus
        self._clock = clock or MonotonicClock()
        self._chunks: asyncio.Queue[AudioChunk | None] = asyncio.Queue()
        self._decoder = av.CodecContext.create("libopus", "r")
        self._decoder.layout = "mono"
        self._resampler = Resampler(OPUS_RATE, SAMPLE_RATE)
        self._due: int | None = None                           # RTP time of the next sample
        self._start = 0
        self._recent = np.zeros(MEMORY, np.float32)

    @property
    def lost(self) -> int:
        """Packets that never came."""
        return self.order.lost

    def take(self, packet: RtpPacket) -> None:
        """One RTP packet from the network, in any order. Never raises."""
        for voice in self.order.push(packet.sequence_number, packet.timestamp, packet.payload):
            self._play(voice)

    def end(self) -> None:
        """No more will come: the iteration ends after what is queued."""
        self._chunks.put_nowait(None)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        self.end()

    async def __aiter__(self) -> AsyncIterator[AudioChunk]:
        while (chunk := await self._chunks.get()) is not None:
            yield chunk

    def _play(self, voice: VoicePacket) -> None:
        hole = 0 if self._due is None else voice.timestamp - self._due
        if 0 < hole <= LONGEST_FILL:
            count = hole * SAMPLE_RATE // OPUS_RATE
            self._emit(conceal(self._recent, count, SAMPLE_RATE) if voice.lost else np.zeros(count, np.float32))
        sound = self._decode(voice.payload)
        self._due = voice.timestamp + len(sound)
        self._emit(self._resampler.push(sound))

    def _decode(self, payload: bytes) -> np.ndarray:
        try:
            frames = self._decoder.decode(av.Packet(payload)) if payload else []
        except av.FFmpegError:
            self.damaged += 1
            frames = []
        return np.concatenate([np.zeros(0, np.float32), *(frame_to_mono(frame) for frame in frames)])

    def _emit(self, samples: np.ndarray) -> None:
        if not len(samples):
            return
        self._recent = np.concatenate([self._recent, samples])[-MEMORY:]
        if self._chunks.qsize() >= QUEUE:
            self._chunks.get_nowait()
            self.dropped += 1
        pts = ticks_from_samples(self._start)
        self._chunks.put_nowait(AudioChunk(samples, SAMPLE_RATE, self._start, pts, self._clock.now_ns()))
        self._start += len(samples)
