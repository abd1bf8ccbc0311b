"""Sound files made on the spot, good and bad."""

import wave
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

HOUR = 3600


def wav(path: Path, sound: np.ndarray, rate: int = 16_000) -> Path:
    """s16 PCM from f32 [n] or [n, channels]."""
    planes = sound[:, None] if sound.ndim == 1 else sound
    with wave.open(str(path), "wb") as out:
        out.setnchannels(planes.shape[1])
        out.setsampwidth(2)
        out.setframerate(rate)
        out.writeframes((planes * 32767).astype("<i2").tobytes())
    return path


def float_wav(path: Path, sound: np.ndarray, rate: int = 16_000) -> Path:
    """IEEE float PCM, which may hold NaN and infinity."""
    data = sound.astype("<f4").tobytes()
    u32, u16 = (lambda v: int(v).to_bytes(4, "little")), (lambda v: int(v).to_bytes(2, "little"))
    fmt = u16(3) + u16(1) + u32(rate) + u32(rate * 4) + u16(4) + u16(32)
    path.write_bytes(b"RIFF" + u32(36 + len(data)) + b"WAVEfmt " + u32(16) + fmt + b"data" + u32(len(data)) + data)
    return path


def long_wav(path: Path, seconds: int = 4 * HOUR, rate: int = 8_000) -> Path:
    """Silence of any length in a sparse file: the header is real, the disk holds one block."""
    wav(path, np.zeros(0, np.float32), rate)
    size = 44 + seconds * rate * 2
    with path.open("r+b") as out:
        out.truncate(size)
        for at, value in ((4, size - 8), (40, size - 44)):
            out.seek(at)
            out.write(value.to_bytes(4, "little"))
    return path


def encoded(path: Path, codec: str, sound: np.ndarray, rate: int, *, video: bool = False, **options: str) -> Path:
    """`sound` f32 [n] by `codec` in the container that the name asks for, with a little picture track if wanted."""
    with av.open(str(path), "w", options=options) as box:
        layout = "stereo" if codec == "vorbis" else "mono"          # FFmpeg's own Vorbis encoder knows stereo alone
        track = box.add_stream(codec, rate=rate, layout=layout, options={"strict": "experimental"})
        film = box.add_stream("mpeg4", rate=25) if video else None
        if film:
            film.width = film.height = 32
            film.pix_fmt = "yuv420p"
        resampler = av.AudioResampler(format=track.codec_context.format.name, layout=layout, rate=rate)
        frame = av.AudioFrame.from_ndarray(sound[None], format="flt", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
        for ready in [*resampler.resample(frame), *resampler.resample(None)]:
            box.mux(track.encode(ready))
        box.mux(track.encode(None))
        if film:
            for _ in range(len(sound) * 25 // rate):
                box.mux(film.encode(av.VideoFrame(32, 32, "yuv420p")))
            box.mux(film.encode(None))
    return path


def tone(seconds: float, rate: int = 16_000, pitch: float = 300) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * pitch * np.arange(round(seconds * rate)) / rate)).astype(np.float32)
