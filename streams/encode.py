"""Pictures and sound to packets for a real-time peer, encoded once however many watch.

H.264 is Constrained Baseline (RFC 6184) by x264 `superfast`/`zerolatency`: at 512x512 about 2 ms a picture on one core,
a seventh of the default preset. There are no periodic key frames; one is made when a viewer joins or reports loss.
VP8 (RFC 7741) serves peers that have no H.264. Opus (RFC 6716) takes the engine's 16 kHz as it is, so that no
resampler adds delay.
"""

from fractions import Fraction
from typing import Literal

import av
import numpy as np
from av.audio.codeccontext import AudioCodecContext
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType

from limner.engine.clock import SAMPLE_RATE, TICKS, samples_from_ticks, ticks_from_samples
from limner.engine.types import AudioChunk, Picture

VideoCodec = Literal["h264", "vp8"]
MIN_BITRATE = 150_000
MAX_BITRATE = 8_000_000
# sRGB picture in a BT.601 matrix at limited range (`Picture`); ISO/IEC 23091-2 code points.
BT601, BT709, SRGB, LIMITED = 6, 1, 13, 1


def fitting_bitrate(size: tuple[int, int], fps: int) -> int:
    """Bits per second at which a talking face of `size` (H, W) looks sharp: 2.5 Mbit/s at 512x512, 25 fps."""
    pixels = size[0] * size[1] / 512**2
    return int(min(MAX_BITRATE, max(2 * MIN_BITRATE, 2_500_000 * pixels**0.75 * (fps / 25) ** 0.5)))


class VideoEncoder:
    """One stream of one size. `encode` runs on a worker thread; the rest may be called from any other.

    `ceiling` (bit/s) bounds the bitrate for the encoder's whole life, `fitting_bitrate` by default.
    """

    def __init__(self, codec: VideoCodec, size: tuple[int, int], fps: int, ceiling: int | None = None) -> None:
        self.codec, self.size, self.fps = codec, size, fps
        self.ceiling = ceiling or fitting_bitrate(size, fps)
        self._bitrate = self.ceiling
        self._keys_wanted, self._keys_made = 1, 0      # counted, so that a wish during an encode is not lost
        self._context: VideoCodecContext | None = None

    @property
    def bitrate(self) -> int:
        """Target in bit/s; an assignment is clamped to [150 kbit/s, ceiling] and holds from the next picture on."""
        return self._bitrate

    @bitrate.setter
    def bitrate(self, value: int) -> None:
        self._bitrate = int(max(MIN_BITRATE, min(self.ceiling, value)))

    def force_key(self) -> None:
        """Make the next picture decodable on its own."""
        self._keys_wanted += 1

    def encode(self, picture: Picture) -> list[av.Packet]:
        """Packets of `picture`, `pts` in ticks. The picture's size must be the encoder's."""
        context = self._ready()
        frame = av.VideoFrame.from_ndarray(picture.planes, format="yuv420p")
        frame.pts, frame.time_base = picture.pts, Fraction(1, TICKS)
        wanted = self._keys_wanted
        frame.pict_type = PictureType.NONE if wanted == self._keys_made else PictureType.I
        self._keys_made = wanted
        return context.encode(frame)

    def _ready(self) -> VideoCodecContext:
        context = self._context
        if context is not None and context.bit_rate != self._bitrate:
            if self.codec == "h264":
                context.bit_rate = self._bitrate    # x264 follows at the next picture, without a key frame
            elif abs(context.bit_rate - self._bitrate) > context.bit_rate // 5:
                context = None                      # libvpx does not; a key frame is worth it for a large step only
        if context is None:
            context = self._context = self._open()
        return context

    def _open(self) -> VideoCodecContext:
        context = av.CodecContext.create("libx264" if self.codec == "h264" else "libvpx", "w")
        context.height, context.width = self.size
        context.pix_fmt = "yuv420p"
        context.time_base, context.framerate = Fraction(1, TICKS), Fraction(self.fps)
        context.bit_rate = self._bitrate
        context.thread_count = 1                    # at these sizes a second thread costs more than it gives
        if self.codec == "h264":
            context.profile = "Baseline"
            # Unsaid, browsers take BT.709, which makes skin redder and greens darker.
            context.colorspace, context.color_primaries, context.color_trc = BT601, BT709, SRGB
            context.color_range = LIMITED
            # Without a rate buffer (maxrate, bufsize) x264 ignores later changes of the bitrate.
            context.options = {
                "preset": "superfast", "tune": "zerolatency",
                "x264-params": "keyint=infinite:repeat-headers=1:scenecut=0",
                "maxrate": str(self.ceiling), "bufsize": str(self.ceiling // 2),
            }
        else:
            context.options = {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0", "g": "1000000"}
        return context


class OpusEncoder:
    """16 kHz mono to 20 ms Opus packets, `pts` in samples of 16 kHz.

    A packet's pts is earlier than its first sample by the codec's own look-ahead (6.5 ms), as a decoder puts it back.
    """

    FRAME = SAMPLE_RATE // 50

    def __init__(self, bitrate: int = 40_000) -> None:
        self._context: AudioCodecContext = av.CodecContext.create("libopus", "w")
        self._context.sample_rate, self._context.layout, self._context.format = SAMPLE_RATE, "mono", "s16"
        self._context.bit_rate, self._context.time_base = bitrate, Fraction(1, SAMPLE_RATE)
        self._context.options = {"application": "voip", "frame_duration": "20", "fec": "1", "packet_loss": "5"}
        self._held = np.zeros(0, np.float32)
        self._next = 0                              # sample index of the first held sample
        self._lookahead: int | None = None

    def encode(self, chunk: AudioChunk) -> list[av.Packet]:
        """Packets completed by `chunk`, whose `rate` must be 16 kHz. A jump in its pts moves the packets with it."""
        start = samples_from_ticks(chunk.pts + ticks_from_samples(1) - 1)   # pts was rounded down to a tick
        if start != self._next + len(self._held):
            self._held, self._next = self._held[:0], start
        held = np.concatenate([self._held, chunk.samples]) if len(self._held) else chunk.samples
        whole = len(held) // self.FRAME * self.FRAME
        packets = [p for at in range(0, whole, self.FRAME) for p in self._packets(held[at : at + self.FRAME])]
        self._held = held[whole:]
        return packets

    def _packets(self, samples: np.ndarray) -> list[av.Packet]:
        pcm = np.rint(np.clip(samples, -1, 1) * 32767).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(pcm[None], format="s16", layout="mono")
        frame.sample_rate, frame.time_base, frame.pts = SAMPLE_RATE, self._context.time_base, self._next
        packets = self._context.encode(frame)
        for packet in packets:
            if self._lookahead is None:
                self._lookahead = self._next - packet.pts
            packet.pts = self._next - self._lookahead
        self._next += self.FRAME
        return packets
