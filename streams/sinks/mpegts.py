"""Sends H.264 and AAC as an MPEG transport stream over UDP: what OBS, VLC and FFmpeg open without a plugin.

Nobody needs to listen, and who begins to later sees a picture within `KEY_SECONDS`. UDP is neither encrypted nor
acknowledged: keep it on this machine or a network you trust.
"""

import asyncio
import socket
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from typing import Any, Self
from urllib.parse import urlsplit

import av
import numpy as np
from numpy.typing import NDArray

from limner.engine.clock import SAMPLE_RATE, TICKS
from limner.engine.errors import DeviceError, UsageError
from limner.engine.types import AudioChunk, Picture
from limner.streams.audio import clean
from limner.streams.encode import fitting_bitrate

KEY_SECONDS = 1
RATE = 48_000                  # Hz sent: an AAC frame is 1024 samples, 64 ms at the engine's own rate, 21 ms at this
PACKET = 1316                  # bytes, seven transport packets: fits an Ethernet frame
START = TICKS                  # pts of the origin, so that the codec's run-in is not before 0
# FFmpeg would hold a picture until sound of its time has come, and leave readers to wait for the next one to know where it ends.
PROMPT = {"flush_packets": "1", "max_interleave_delta": "1", "omit_video_pes_length": "0"}
MAX_GAP = SAMPLE_RATE          # samples of lost sound that become silence; beyond it the stream jumps


class MpegTsSink:
    """AVSink. `sent` counts pictures. Both tracks carry the media clock's own times."""

    def __init__(self, target: str, *, size: tuple[int, int], fps: int) -> None:
        """`target` is HOST:PORT. Raises UsageError."""
        try:
            parts = urlsplit(f"//{target}")
            host, port = parts.hostname, parts.port
        except ValueError:
            host = port = None
        if not host or not port or parts.path or parts.query or parts.username is not None:
            raise UsageError(f"udp:{target}: expected HOST:PORT, for example udp:127.0.0.1:9999")
        self._url = f"udp://{f'[{host}]' if ':' in host else host}:{port}?pkt_size={PACKET}"
        self._target, self._host, self._size, self._fps = target, host, size, fps
        self._origin: int | None = None
        self._last = -1                        # pts of the last picture
        self._samples = 0                      # next sample of the sound track
        self.sent = 0

    async def __aenter__(self) -> Self:
        """Raises DeviceError when the host is not known."""
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="limner-mpegts")
        try:
            await self._run(self._open)
        except BaseException:
            self._thread.shutdown(wait=False)
            raise
        return self

    def _open(self) -> None:
        try:
            socket.getaddrinfo(self._host, None)      # FFmpeg itself would send nowhere in silence
            self._container = av.open(self._url, "w", format="mpegts", options=PROMPT)
        except OSError as error:
            raise DeviceError(f"udp:{self._target}: cannot be sent to ({error.strerror}); expected a host this machine can "
                              "reach") from error
        self._video, self._audio = self._video_stream(), self._container.add_stream("aac", rate=RATE, layout="mono")
        self._audio.codec_context.bit_rate = 96_000
        self._resampler = av.AudioResampler("fltp", "mono", RATE)

    def _video_stream(self) -> Any:
        bitrate = fitting_bitrate(self._size, self._fps)
        stream = self._container.add_stream("libx264", rate=self._fps, options={
            "preset": "superfast", "tune": "zerolatency", "maxrate": str(2 * bitrate), "bufsize": str(bitrate)})
        context = stream.codec_context
        context.height, context.width = self._size
        context.pix_fmt, context.time_base = "yuv420p", Fraction(1, TICKS)
        context.gop_size, context.bit_rate, context.thread_count = KEY_SECONDS * self._fps, bitrate, 1
        return stream

    async def __aexit__(self, *exc: object) -> None:
        try:
            await self._run(self._container.close)
        finally:
            self._thread.shutdown(wait=False)

    async def show(self, picture: Picture) -> None:
        """Encode and send. Raises DeviceError when the network is gone."""
        await self._run(self._picture, picture)

    async def play(self, chunk: AudioChunk) -> None:
        """Encode and send at its own time. Raises DeviceError when the network is gone."""
        await self._run(self._sound, chunk)

    def _place(self, pts: int) -> int:
        if self._origin is None:
            self._origin = pts
        return START + pts - self._origin

    def _picture(self, picture: Picture) -> None:
        at = self._place(picture.pts)
        if at <= self._last:
            return
        self._last = at
        frame = av.VideoFrame.from_ndarray(picture.planes, format="yuv420p")
        frame.pts, frame.time_base = at, Fraction(1, TICKS)
        self._mux(self._video.encode(frame))
        self.sent += 1

    def _sound(self, chunk: AudioChunk) -> None:
        place = -(-self._place(chunk.pts) * SAMPLE_RATE // TICKS)
        samples, gap = clean(chunk.samples), place - self._samples if self._samples else 0
        if abs(gap) > MAX_GAP or not self._samples:
            self._samples = place
        elif gap:
            samples = np.concatenate([np.zeros(gap, np.float32), samples]) if gap > 0 else samples[-gap:]
        if len(samples):
            self._encode(samples)

    def _encode(self, samples: NDArray[np.float32]) -> None:
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples)[None], format="fltp", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = SAMPLE_RATE, self._samples, Fraction(1, SAMPLE_RATE)
        self._samples += len(samples)
        for resampled in self._resampler.resample(frame):
            self._mux(self._audio.encode(resampled))

    def _mux(self, packets: list[av.Packet]) -> None:
        try:
            self._container.mux(packets)
        except OSError as error:
            raise DeviceError(f"udp:{self._target}: takes no more ({error.strerror}); is the network still there?") from error

    async def _run(self, work: Any, *args: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, *args)


def create(argument: str, *, size: tuple[int, int], fps: int) -> MpegTsSink:
    """Registry entry: `argument` is HOST:PORT."""
    return MpegTsSink(argument, size=size, fps=fps)
