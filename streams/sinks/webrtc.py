"""The avatar out to browsers: one encode, any number of viewers, both tracks on the media clock."""

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from typing import Self

import av

from limner.engine.clock import Clock, MonotonicClock
from limner.engine.types import AudioChunk, Picture
from limner.streams.alpha import opaque, stacked
from limner.streams.encode import OpusEncoder, VideoCodec, VideoEncoder, fitting_bitrate
from limner.streams.rtc import MediaEpoch, PacketTrack

log = logging.getLogger("limner.webrtc")
VIDEO_QUEUE = 8               # packets; a peer that lags more starts again at a key frame
AUDIO_QUEUE = 25              # packets (0.5 s)


class Viewer:
    """One peer's pair of tracks and what that peer has asked for. Made by `WebRTCSink.viewer`.

    With `alpha` pictures are twice as high, their opacity as grey below (see `alpha.stacked`).
    """

    def __init__(self, sink: "WebRTCSink", alpha: bool = False) -> None:
        self.codec: VideoCodec = "h264"
        self.alpha = alpha
        self.bitrate: int | None = None           # bit/s, the peer's newest estimate (REMB), or None
        self.epoch = sink.epoch
        self._sink = sink
        self.video = PacketTrack("video", VIDEO_QUEUE, on_start=self.want_key, on_full=self._start_over)
        self.audio = PacketTrack("audio", AUDIO_QUEUE)
        self._waiting_for_key = True

    def want_key(self) -> None:
        """The peer cannot decode: make the next picture a key frame."""
        self._sink.force_key(self.codec, self.alpha)

    def estimate(self, bitrate: int) -> None:
        """The peer says it can take `bitrate` bit/s."""
        self.bitrate = bitrate

    def put_video(self, packet: av.Packet) -> None:
        if self._waiting_for_key and not packet.is_keyframe:
            return
        self._waiting_for_key = not self.video.flowing
        self.video.put(packet)

    def _start_over(self) -> None:
        self.video.clear()
        self._waiting_for_key = True
        self.want_key()


class WebRTCSink:
    """AVSink for every peer that watches one session.

    `show` has the picture encoded on the sink's own thread, once per codec in use (and once more for those who take its
    opacity; the others see it over black), and not at all while nobody watches.
    It returns at once, so that sound is never kept waiting, unless the picture before is still being encoded. The
    bitrate follows the weakest viewer's estimate, at most `ceiling` bit/s. `packets_dropped` counts what slow peers lost.
    An encoder that fails is replaced at once, which is counted; when the new one fails too, `show` raises its error.
    """

    def __init__(self, size: tuple[int, int], fps: int, ceiling: int | None = None, clock: Clock | None = None) -> None:
        self.size, self.fps = size, fps
        self.encoding_ns = 0                      # spent on pictures so far
        self._clock = clock or MonotonicClock()
        self.ceiling = ceiling or fitting_bitrate(size, fps)
        self.epoch = MediaEpoch()
        self.shown = self.bytes_sent = self.encoder_failures = 0
        self._viewers: list[Viewer] = []
        self._encoders: dict[tuple[VideoCodec, bool], VideoEncoder] = {}
        self._opus = OpusEncoder()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="limner-encode")
        self._encoding: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        """Waits for the picture being encoded; the tracks stay the peers' own."""
        if self._encoding:
            await asyncio.wait({self._encoding})
        self._thread.shutdown(wait=False, cancel_futures=True)

    @property
    def viewers(self) -> tuple[Viewer, ...]:
        return tuple(self._viewers)

    @property
    def watched(self) -> bool:
        """Whether anybody's picture flows."""
        return any(viewer.video.flowing for viewer in self._viewers)

    @property
    def packets_dropped(self) -> int:
        return sum(v.video.dropped + v.audio.dropped for v in self._viewers)

    def viewer(self, *, alpha: bool = False) -> Viewer:
        """Tracks for one more peer; give it to `Peer`, which sets its codec, and `remove` it in the end."""
        viewer = Viewer(self, alpha)
        self._viewers.append(viewer)
        return viewer

    def remove(self, viewer: Viewer) -> None:
        if viewer in self._viewers:
            self._viewers.remove(viewer)
        viewer.video.stop()
        viewer.audio.stop()

    def force_key(self, codec: VideoCodec, alpha: bool = False) -> None:
        if (codec, alpha) in self._encoders:
            self._encoders[codec, alpha].force_key()

    async def show(self, picture: Picture) -> None:
        self.epoch.start(picture.pts)
        if self._encoding:
            await self._encoding                  # raises what encoding raised
        self._encoding = asyncio.create_task(self._send(picture))

    async def _send(self, picture: Picture) -> None:
        for kind in sorted({(v.codec, v.alpha) for v in self._viewers if v.video.flowing}):
            packets = await asyncio.get_running_loop().run_in_executor(self._thread, self._encode, kind, self._watching(kind), picture)
            viewers = self._watching(kind)        # again: the key frame just made may be for one who came meanwhile
            for packet in packets:
                for viewer in viewers:
                    viewer.put_video(packet)
                self.bytes_sent += packet.size * len(viewers)
        self.shown += 1

    def _watching(self, kind: tuple[VideoCodec, bool]) -> list[Viewer]:
        return [v for v in self._viewers if v.video.flowing and (v.codec, v.alpha) == kind]

    async def play(self, chunk: AudioChunk) -> None:
        self.epoch.start(chunk.pts)
        listening = [v for v in self._viewers if v.audio.flowing]
        for packet in self._opus.encode(chunk):
            for viewer in listening:
                viewer.audio.put(packet)
            self.bytes_sent += packet.size * len(listening)

    def _encode(self, kind: tuple[VideoCodec, bool], viewers: list[Viewer], picture: Picture) -> list[av.Packet]:
        began = self._clock.now_ns()
        shown = stacked(picture) if kind[1] else opaque(picture)
        try:
            return self._encoder(kind, viewers, shown.size).encode(shown)
        except av.FFmpegError as error:
            self.encoder_failures += 1
            log.error("the %s encoder failed and is replaced: %s", kind[0], error)
            del self._encoders[kind]
            return self._encoder(kind, viewers, shown.size).encode(shown)
        finally:
            self.encoding_ns += self._clock.now_ns() - began

    def _encoder(self, kind: tuple[VideoCodec, bool], viewers: list[Viewer], size: tuple[int, int]) -> VideoEncoder:
        encoder = self._encoders.get(kind)
        if encoder is None or encoder.size != size:
            encoder = self._encoders[kind] = VideoEncoder(kind[0], size, self.fps, self.ceiling)
        estimates = [v.bitrate for v in viewers if v.bitrate]
        wanted = min([self.ceiling, *estimates])
        if abs(wanted - encoder.bitrate) > encoder.bitrate // 10 or wanted == self.ceiling:
            encoder.bitrate = wanted
        return encoder
