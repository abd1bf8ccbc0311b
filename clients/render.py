"""`limner render`: a portrait and a sound file in, an MP4 out, faster than real time, the same for the same seed.

Drawing and encoding run on two threads; the film keeps the sound of the file itself (mono, up to 48 kHz), not the
16 kHz the face listens to.
"""

import contextlib
import json
import signal
import sys
import threading
import zlib
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from limner.engine.clock import TICKS, MonotonicClock, seconds
from limner.engine.errors import UsageError
from limner.engine.offline import film
from limner.engine.types import AudioChunk, Picture
from limner.models.face.colour import to_picture
from limner.streams.media import SoundInfo, probe, read_chunks
from limner.streams.mp4 import Mp4Writer

from . import assemble
from .options import Options

AHEAD = 8                                     # items drawn but not yet encoded, at most
SOUND_RATES = (16_000, 22_050, 24_000, 32_000, 44_100, 48_000)      # kept as they are; others become 48 kHz


@dataclass(slots=True)
class Numbers:
    """What a render reports. `pixels_crc32` is of all I420 bytes in order: equal films have equal ones."""

    pictures: int = 0
    fps: int = 0
    height: int = 0
    width: int = 0
    sound_rate: int = 0
    film_s: float = 0.0
    prepare_s: float = 0.0                    # reading the portrait, seating the face
    wall_s: float = 0.0                       # drawing and encoding
    times_real_time: float = 0.0
    pixels_crc32: int = 0


def run(options: Options, audio: Path, out: Path, *, report: Path | None = None, quiet: bool = False) -> int:
    """Render `audio` through the face of `options` into `out`. Returns 0.

    On an error or an interrupt `out` is as it was before and nothing else is left. Raises the errors of the portrait,
    the sound and the file (exit status 2), OutputError when the disk is full (1), KeyboardInterrupt (130).
    """
    if out.suffix.lower() != ".mp4":
        raise UsageError(f"-o {out}: a film is an .mp4; expected a file name that ends in .mp4")
    info, clock = probe(audio), MonotonicClock()
    with terminable():
        face = assemble.face(options)
        if hear_file := getattr(face.extractor, "hear_file", None):      # features that depend on the whole sound
            hear_file(np.concatenate([chunk.samples for chunk in read_chunks(audio)]))
        say_notes(options, face, quiet)
        say_flat(options, str(out), quiet)
        numbers = Numbers(fps=options.fps, height=face.animator.size[0], width=face.animator.size[1],
                          sound_rate=info.rate if info.rate in SOUND_RATES else 48_000, prepare_s=seconds(clock.now()))
        started = clock.now()
        pictures = film(read_chunks(audio), face.extractor, face.animator, face.stages, fps=options.fps, colour=to_picture)
        items = with_sound((i for i in pictures if isinstance(i, Picture)), read_chunks(audio, numbers.sound_rate))
        writer = Mp4Writer(out, size=face.animator.size, fps=options.fps, rate=numbers.sound_rate, origin=0)
        write(tracked(items, numbers, info, quiet), writer)
    numbers.wall_s = seconds(clock.now() - started)
    numbers.times_real_time = numbers.film_s / numbers.wall_s
    finish(numbers, out, report, quiet)
    return 0


def say_notes(options: Options, face: assemble.Face, quiet: bool) -> None:
    """What was noticed about a picture rigged on the fly, on stderr: several faces, enlarged, a coarse cut-out."""
    if options.portrait and face.avatar and not quiet:
        for note in face.avatar.meta.get("notes", ()):
            print(f"note: {note}", file=sys.stderr)


def say_flat(options: Options, where: str, quiet: bool) -> None:
    """That an outlet without an opacity channel shows a transparent background as black, on stderr."""
    if options.background == "transparent" and not quiet:
        print(f"note: {where} cannot carry a transparent background and gets a black one; name a colour to key out, or "
              "send to zmq:ENDPOINT?format=bgra, or open /stage of `limner serve`", file=sys.stderr)


@contextlib.contextmanager
def terminable() -> Iterator[None]:
    """SIGTERM unwinds like Ctrl-C, so that a stopped render cleans up too (main thread only, as Python has it)."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def with_sound(pictures: Iterable[Picture], sound: Iterable[AudioChunk]) -> Iterator[Picture | AudioChunk]:
    """Both in order of pts, as an MP4 is best interleaved."""
    sound = iter(sound)
    chunk = next(sound, None)
    for picture in pictures:
        while chunk and chunk.pts <= picture.pts:
            yield chunk
            chunk = next(sound, None)
        yield picture
    while chunk:
        yield chunk
        chunk = next(sound, None)


def write(items: Iterable[Picture | AudioChunk], writer: Mp4Writer) -> None:
    """Encode on a second thread while `items` are being drawn on this one; all or nothing."""
    pending: deque[Future] = deque()
    pool = ThreadPoolExecutor(1, thread_name_prefix="limner-encode")
    try:
        for item in items:
            pending.append(pool.submit(writer.show if isinstance(item, Picture) else writer.play, item))
            while len(pending) > AHEAD or (pending and pending[0].done()):
                pending.popleft().result()
        while pending:
            pending.popleft().result()
        writer.close()
    except BaseException:
        pool.shutdown(cancel_futures=True)
        writer.abort()
        raise
    finally:
        pool.shutdown()


def tracked(items: Iterable[Picture | AudioChunk], numbers: Numbers, info: SoundInfo,
            quiet: bool) -> Iterator[Picture | AudioChunk]:
    """The same items, counted into `numbers`, with a progress bar on stderr unless `quiet`."""
    total = None if info.duration is None else -(-info.duration * numbers.fps // TICKS)
    columns = (TextColumn("rendering"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[speed]}"),
               TimeRemainingColumn())
    clock, console = MonotonicClock(), Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=quiet or not console.is_terminal) as bar:
        task = bar.add_task("", total=total, speed="")
        for item in items:
            if isinstance(item, Picture):
                numbers.pictures += 1
                numbers.pixels_crc32 = zlib.crc32(item.planes, numbers.pixels_crc32)
                pace = item.pts / max(1, clock.now())
                bar.update(task, completed=numbers.pictures, speed=f"{pace:.1f} x real time")
            yield item
    numbers.film_s = numbers.pictures / numbers.fps


def finish(numbers: Numbers, out: Path, report: Path | None, quiet: bool) -> None:
    """Say what was made, and write the numbers where asked. Raises UsageError when they cannot be written."""
    if not quiet:
        print(f"{out}: {numbers.film_s:.1f} s, {numbers.pictures} pictures of {numbers.width}x{numbers.height} at "
              f"{numbers.fps} fps, made in {numbers.wall_s:.1f} s ({numbers.times_real_time:.1f} x real time)", file=sys.stderr)
    if report:
        write_report(report, asdict(numbers))


def write_report(path: Path, numbers: dict) -> None:
    """Numbers as JSON. Raises UsageError when the file cannot be written."""
    try:
        path.write_text(json.dumps(numbers, indent=2) + "\n", "utf-8")
    except OSError as error:
        raise UsageError(f"--report {path}: cannot be written ({error.strerror})") from error
