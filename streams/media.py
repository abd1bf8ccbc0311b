"""Sound out of anything FFmpeg reads, streamed: memory stays at one packet however long the file is."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import av
import numpy as np
from numpy.typing import NDArray

from limner.engine.clock import SAMPLE_RATE, TICKS, ticks_from_samples
from limner.engine.errors import MediaError
from limner.engine.types import AudioChunk

from .audio import Resampler, check_format, frame_to_mono

# Playlists (HLS, concat) name other files and addresses. Reading goes through our own file object, and with no protocol
# allowed a hostile upload cannot make FFmpeg open anything else.
_SAFE = {"protocol_whitelist": "none"}
NS_PER_TICK = (100_000, 9)


@dataclass(frozen=True, slots=True)
class SoundInfo:
    """What a header says; `duration` is ticks or None where the header does not tell, never to be trusted exactly."""

    rate: int
    channels: int
    codec: str
    duration: int | None


def describe(file: str | Path | BinaryIO) -> str:
    """How an error message calls this input."""
    return str(file) if isinstance(file, str | Path) else "the sound sent"


@contextlib.contextmanager
def open_sound(file: str | Path | BinaryIO) -> Iterator[tuple[av.container.InputContainer, av.AudioStream]]:
    """The container and its best sound stream. Raises MediaError for whatever cannot be used; closes on exit."""
    name = describe(file)
    with contextlib.ExitStack() as stack:
        handle = stack.enter_context(_open(Path(file))) if isinstance(file, str | Path) else file
        try:
            container = stack.enter_context(av.open(handle, "r", options=_SAFE, metadata_errors="replace"))
        except (av.FFmpegError, ValueError, OSError) as error:
            raise MediaError(f"{name}: not a sound or video file that can be read ({_reason(error)}); expected wav, mp3, "
                             "m4a, ogg, flac, mp4, webm or the like") from error
        stream = container.streams.best("audio")
        if stream is None:
            kinds = ", ".join(sorted({s.type for s in container.streams})) or "none"
            raise MediaError(f"{name}: no sound in it (streams: {kinds}); expected a file with a sound track")
        if stream.codec_context is None:
            raise MediaError(f"{name}: its sound track is of a kind that cannot be decoded; expected AAC, MP3, Opus, Vorbis, FLAC, PCM or the like")
        check_format(stream.codec_context.sample_rate, stream.codec_context.channels, name)
        stream.thread_type = "NONE"
        yield container, stream


def _open(path: Path) -> BinaryIO:
    try:
        handle = path.open("rb")
        if not handle.peek(1):
            handle.close()
            raise MediaError(f"{path}: the file is empty; expected a sound or video file")
        return handle
    except FileNotFoundError as error:
        raise MediaError(f"{path}: no such file; expected a sound or video file") from error
    except OSError as error:
        raise MediaError(f"{path}: cannot be opened ({error.strerror}); expected a sound or video file") from error


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def probe(file: str | Path | BinaryIO) -> SoundInfo:
    """The header of a sound whose first samples decode. Raises MediaError as `open_sound` and `decode_mono` do."""
    with open_sound(file) as (container, stream):
        if next(_frames(container, stream), None) is None:
            raise _nothing(file)
        micros = container.duration
        context = stream.codec_context
        return SoundInfo(context.sample_rate, context.channels, context.name,
                         micros * TICKS // 1_000_000 if micros and micros > 0 else None)


def decode_mono(file: str | Path | BinaryIO, rate: int = SAMPLE_RATE) -> Iterator[NDArray[np.float32]]:
    """Mono f32 arrays [n] at `rate`, any n > 0, from the first sample to the last.

    A damaged packet is left out and decoding goes on after it. Raises MediaError when nothing at all can be decoded.
    """
    with open_sound(file) as (container, stream):
        resampler, heard = None, 0
        for frame in _frames(container, stream):
            if resampler is None or resampler.rate != frame.sample_rate:      # streams joined end to end may change rate
                if resampler:
                    yield resampler.flush()
                resampler = Resampler(frame.sample_rate, rate)
            heard += frame.samples
            yield resampler.push(frame_to_mono(frame))
        if not heard:
            raise _nothing(file)
        yield resampler.flush()


def _nothing(file: str | Path | BinaryIO) -> MediaError:
    return MediaError(f"{describe(file)}: no sample of sound in it that can be decoded; expected at least one (was it cut "
                      "short while copying?)")


def decoded(container: av.container.InputContainer, stream: av.stream.Stream) -> Iterator[Any]:
    """Every frame of a stream that can be decoded; a damaged packet is left out, and where the file breaks off, it ends."""
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets, None)
        except av.FFmpegError:                     # the container breaks off here: what came before is still good
            return
        if packet is None:
            return
        with contextlib.suppress(av.FFmpegError):
            yield from packet.decode()


def _frames(container: av.container.InputContainer, stream: av.AudioStream) -> Iterator[av.AudioFrame]:
    """Decoded frames that hold sound."""
    return (frame for frame in decoded(container, stream) if frame.samples)


def read_chunks(file: str | Path | BinaryIO, rate: int = SAMPLE_RATE, block: int | None = None) -> Iterator[AudioChunk]:
    """Gap-free AudioChunks of `block` samples (20 ms by default; the last may be shorter), pts 0 at the first sample.

    `captured_ns` is the chunk's own time in the file, so that equal files give equal chunks.
    """
    block = block or rate // 50
    held, start = np.zeros(0, np.float32), 0
    for part in decode_mono(file, rate):
        held = np.concatenate([held, part])
        whole = len(held) // block * block
        for at in range(0, whole, block):
            yield _chunk(held[at:at + block], rate, start)
            start += block
        held = held[whole:]
    if len(held):
        yield _chunk(held, rate, start)


def _chunk(samples: NDArray[np.float32], rate: int, start: int) -> AudioChunk:
    end = ticks_from_samples(start + len(samples), rate)
    return AudioChunk(samples, rate, start, ticks_from_samples(start, rate), end * NS_PER_TICK[0] // NS_PER_TICK[1])
