"""What a player sees of an MP4, and pictures and sound that can be found again in it."""

import contextlib
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np

from limner.engine.clock import TICKS, ticks_from_samples
from limner.engine.types import AudioChunk, Picture


@dataclass
class Film:
    sound: np.ndarray            # [n] f32 as decoded, priming removed by the file's own edit list
    first_sample: int            # media time of sound[0]
    rate: int
    times: list[float]           # s of each picture
    luma: list[float]            # mean of each picture


def decode(path: Path, kind: str) -> list:
    """All frames of a track; like a player, leaves out a packet that was cut off."""
    frames = []
    with av.open(str(path)) as box:
        for packet in box.demux(box.streams.best(kind)) if box.streams.best(kind) else ():
            with contextlib.suppress(av.error.InvalidDataError):
                frames += packet.decode()
    return frames


def read_film(path: Path) -> Film:
    """Decode both tracks in separate passes, as their own timestamps place them."""
    frames, shown = decode(path, "audio"), decode(path, "video")
    pictures = [(float(f.pts * f.time_base), float(f.to_ndarray(format="gray").mean())) for f in shown]
    rate = frames[0].sample_rate if frames else 0
    sound = np.concatenate([f.to_ndarray()[0] for f in frames]) if frames else np.zeros(0, np.float32)
    first = round(frames[0].pts * frames[0].time_base * rate) if frames else 0
    return Film(sound, first, rate, [t for t, _ in pictures], [b for _, b in pictures])


def plain(pts: int, size: tuple[int, int] = (64, 64), *, luma: int = 40, duration: int = 3600) -> Picture:
    """A picture of one brightness."""
    planes = np.full((size[0] * 3 // 2, size[1]), 128, np.uint8)
    planes[:size[0]] = luma
    return Picture(planes, size, pts, 0, duration)


def chunks_of(sound: np.ndarray, rate: int = 16_000, block: int = 320, pts: int = 0) -> list[AudioChunk]:
    """`sound` cut into chunks, the first at `pts`."""
    return [AudioChunk(sound[i:i + block], rate, i, pts + ticks_from_samples(i, rate), 0)
            for i in range(0, len(sound), block)]


def beeps(seconds: int, rate: int = 16_000) -> np.ndarray:
    """50 ms of 1 kHz at each whole second but the first, from its first sample."""
    sound = np.zeros(seconds * rate, np.float32)
    beep = 0.8 * np.sin(2 * np.pi * 1000 * np.arange(rate // 20) / rate)
    for second in range(1, seconds):
        sound[second * rate:second * rate + len(beep)] = beep
    return sound


def lag(found: np.ndarray, given: np.ndarray) -> int:
    """Samples by which `found` comes after `given`, by cross-correlation."""
    n = 1 << (len(found) + len(given)).bit_length()
    peak = int(np.argmax(np.fft.irfft(np.fft.rfft(found, n) * np.conj(np.fft.rfft(given, n)))))
    return peak if peak < n // 2 else peak - n


def flash_and_beep(writer, fps: int, seconds: int, rate: int = 16_000, origin: int = 0) -> np.ndarray:
    """Show a white picture at each whole second, beep there; both in order of pts. Returns the sound."""
    sound, step = beeps(seconds, rate), TICKS // fps
    pictures = [plain(origin + k * step, luma=235 if k and k % fps == 0 else 16, duration=step)
                for k in range(seconds * fps)]
    for item in sorted([*pictures, *chunks_of(sound, rate, rate // 50, origin)], key=lambda i: i.pts):
        writer.show(item) if isinstance(item, Picture) else writer.play(item)
    return sound
