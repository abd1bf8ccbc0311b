"""Reading a video clip frame by frame, and filming what a stage makes of it; shared by the commands that improve clips."""

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from limner.engine.clock import TICKS
from limner.engine.errors import MediaError, TooLarge, UsageError
from limner.engine.protocols import FrameStage
from limner.engine.types import AudioChunk, Frame
from limner.models.face.colour import to_picture
from limner.streams.media import decoded, probe, read_chunks
from limner.streams.mp4 import Mp4Writer

from .render import SOUND_RATES, terminable, with_sound, write

MOST_PIXELS = 4096 * 2304                        # of one frame
RATES = (24, 25, 30, 50, 60)
_SAFE = {"protocol_whitelist": "none"}           # a hostile file cannot make FFmpeg open anything else


@dataclass(frozen=True, slots=True)
class Clip:
    """What the header of a clip says; `frames` is an estimate or None."""

    path: Path
    size: tuple[int, int]                        # (H, W) px as shown: square pixels, upright
    rate: Fraction                               # frames per second
    frames: int | None
    sound: int | None                            # Hz, or None where there is no sound


@contextlib.contextmanager
def _open(path: Path) -> Iterator[tuple[Any, Any]]:
    """Container and video stream. Raises MediaError, TooLarge."""
    with contextlib.ExitStack() as stack:
        try:
            container = stack.enter_context(av.open(stack.enter_context(path.open("rb")), "r", options=_SAFE, metadata_errors="replace"))
        except (av.FFmpegError, OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise MediaError(f"{path}: not a video that can be read ({reason}); expected mp4, mov, webm, mpg or the like") from error
        stream = container.streams.best("video")
        if stream is None:
            raise MediaError(f"{path}: no picture in it; expected a video clip")
        if stream.width * stream.height > MOST_PIXELS:
            raise TooLarge(f"{path}: {stream.width} x {stream.height} px; at most 4096 x 2304 are accepted")
        stream.thread_type = "AUTO"
        yield container, stream


def describe(path: Path) -> Clip:
    """Look at a clip's header and first frame. Raises MediaError, TooLarge."""
    with _open(path) as (container, stream):
        first = next(decoded(container, stream), None)
        if first is None:
            raise MediaError(f"{path}: not one picture in it can be decoded; fetch it again")
        rate = Fraction(stream.average_rate or stream.guessed_rate or 25)
        if not 1 <= rate <= 240:
            raise MediaError(f"{path}: {float(rate):g} frames per second; expected 1 to 240")
        seconds = (container.duration or 0) / 1_000_000
        sound = container.streams.best("audio") is not None
        size = _upright(first, stream).shape[:2]
    return Clip(path, size, rate, round(seconds * rate) or None, probe(path).rate if sound else None)


def frames(clip: Clip) -> Iterator[Frame]:
    """Frames in order, upright with square pixels; pts 0 is where the sound begins. Damaged ones are left out."""
    duration, last = round(TICKS / clip.rate), None
    with _open(clip.path) as (container, stream):
        origin = _start(container.streams.best("audio") or stream)
        for index, picture in enumerate(decoded(container, stream)):
            when = picture.time if picture.time is not None else index / clip.rate
            pts = round((Fraction(when).limit_denominator(TICKS) - origin) * TICKS)
            pixels = _upright(picture, stream)
            if (last is None or pts > last) and pixels.shape[:2] == clip.size:
                yield Frame(pixels, pts, duration, 0)
                last = pts


def _start(stream: Any) -> Fraction:
    return Fraction(stream.start_time or 0) * stream.time_base


def _upright(picture: Any, stream: Any) -> NDArray[np.uint8]:
    """RGB as it is meant to be seen: pixel shape and the camera's rotation applied."""
    aspect = stream.sample_aspect_ratio or Fraction(1)
    width = round(picture.width * aspect) if Fraction(1, 4) <= aspect <= 4 else picture.width
    pixels = picture.to_ndarray(format="rgb24", width=width, height=picture.height)
    return np.ascontiguousarray(np.rot90(pixels, round(picture.rotation / 90) % 4))


def check_paths(source: Path, out: Path) -> None:
    """UsageError unless `out` is an .mp4 other than `source`."""
    if out.suffix.lower() != ".mp4":
        raise UsageError(f"-o {out}: a film is an .mp4; expected a file name that ends in .mp4")
    if out.exists() and source.exists() and out.samefile(source):
        raise UsageError(f"-o {out}: is the input itself; choose another name")


def film(clip: Clip, stage: FrameStage, out: Path, *, fps: int, what: str, quiet: bool) -> int:
    """Run a clip through `stage` into `out` at `fps`, its sound kept (mono, up to 48 kHz). Returns pictures written.

    On an error or an interrupt `out` is as it was before and nothing else is left.
    """
    height, width = clip.size
    rate = clip.sound if clip.sound in SOUND_RATES else 48_000
    sound: Iterable[AudioChunk] = read_chunks(clip.path, rate) if clip.sound else ()
    made = 0

    def pictures() -> Iterator[Any]:
        nonlocal made
        for frame in staged(tracked(frames(clip), clip.frames, what, quiet), stage):
            made += 1
            yield to_picture(frame)

    with terminable():
        source = pictures()
        first = next(source, None)
        if first is None:
            raise MediaError(f"{clip.path}: not one picture in it can be decoded; fetch it again")
        writer = Mp4Writer(out, size=(height + height % 2, width + width % 2), fps=fps, rate=rate, origin=min(first.pts, 0))
        write(with_sound(_again(first, source), sound), writer)
    return made


def _again(first: Any, rest: Iterator[Any]) -> Iterator[Any]:
    yield first
    yield from rest


def staged(source: Iterable[Frame], stage: FrameStage) -> Iterator[Frame]:
    """Everything a stage makes of `source`."""
    for frame in source:
        yield from stage.push(frame)
    yield from stage.flush()


def tracked(source: Iterable[Frame], total: int | None, what: str, quiet: bool) -> Iterator[Frame]:
    """The same frames with a progress bar on stderr unless `quiet`."""
    columns: Sequence[Any] = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True, disable=quiet) as bar:
        task = bar.add_task("", total=total)
        for frame in source:
            yield frame
            bar.advance(task)
