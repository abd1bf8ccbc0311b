"""An MP4 written so that picture and sound meet to the sample.

Both tracks count from one origin. AAC needs 1024 samples of run-in ("priming"); the file carries an edit list that
takes them away again, so a decoded beep has the very sample index it was given. Every file is written under another
name beside the target and renamed when whole: the target never exists half written.

* whole (offline): index at the front, B-frames, slower preset. On an error or an interrupt nothing is left behind.
* fragmented (live): the index comes with each second, so a recording whose process is killed stays as NAME.part.mp4
  and plays up to its last fragment. One that ends well becomes an ordinary file with one index (FFmpeg's
  `hybrid_fragmented`), which every player and editor can seek in.
"""

import contextlib
import errno
import itertools
import os
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from limner.engine.clock import SAMPLE_RATE, TICKS
from limner.engine.errors import ContractError, OutputError, UsageError
from limner.engine.types import AudioChunk, Picture

from .alpha import opaque
from .audio import clean
from .encode import BT601, BT709, LIMITED, SRGB

TICK = Fraction(1, TICKS)
KEY_SECONDS = 2
FRAGMENT_US = 1_000_000
THREADS = 2                        # fixed: x264's output depends on it, and equal input must give equal files
MAX_GAP = 10 * 60                  # s of silence that may be filled in before a jump is called a defect


class Mp4Writer:
    """H.264 pictures and AAC sound into one file; synchronous, used from one thread at a time.

    The first picture or chunk sets the origin. Sound is placed by its `pts`: a gap becomes silence, an overlap is cut,
    so pictures and sound stay together whatever was lost before. Pictures keep their own, possibly uneven, times.
    """

    def __init__(self, path: str | Path, *, size: tuple[int, int], fps: int, rate: int = SAMPLE_RATE,
                 live: bool = False, origin: int | None = None) -> None:
        """`size` (H, W), even; `rate` Hz of every chunk. Raises UsageError when the file cannot be created."""
        self.path = Path(path)
        self._size, self._rate, self._origin, self._live = size, rate, origin, live
        self._duration = TICKS // fps
        self._samples = 0                     # next sample index of the sound track
        self._container: Any = None
        self._bytes = 0                       # handed to the muxer
        self._last = -1                       # pts of the last picture, from the origin
        self.late = 0                         # pictures left out because their time had passed
        self.part = _create(self.path)
        try:
            self._open(fps)
        except BaseException:
            self.abort()
            raise

    def _open(self, fps: int) -> None:
        flags = "hybrid_fragmented+frag_keyframe+delay_moov+default_base_moof" if self._live else "faststart"
        options = {"movflags": flags, "use_editlist": "1"}
        if self._live:
            options |= {"frag_duration": str(FRAGMENT_US), "flush_packets": "1"}
        self._container = av.open(f"file:{self.part}", "w", format="mp4", options=options)
        self._video, self._audio = self._video_stream(fps), self._audio_stream()

    def _video_stream(self, fps: int) -> Any:
        options = {"preset": "superfast", "tune": "zerolatency", "crf": "20"} if self._live else {
            "preset": "veryfast", "crf": "18"}
        stream = self._container.add_stream("libx264", rate=fps, options=options)
        context = stream.codec_context
        context.thread_count = THREADS
        context.height, context.width = self._size
        context.pix_fmt, context.time_base, context.gop_size = "yuv420p", TICK, KEY_SECONDS * fps
        context.colorspace, context.color_primaries, context.color_trc = BT601, BT709, SRGB
        context.color_range = LIMITED
        return stream

    def _audio_stream(self) -> Any:
        stream = self._container.add_stream("aac", rate=self._rate, layout="mono")
        stream.codec_context.bit_rate = 128_000 if self._rate > 24_000 else 64_000
        stream.codec_context.time_base = Fraction(1, self._rate)
        return stream

    def _place(self, pts: int) -> int:
        if self._origin is None:
            self._origin = pts
        return pts - self._origin

    def show(self, picture: Picture) -> bool:
        """Encode one picture, over black where it has an opacity; False when it came out of order and was left out.

        Raises OutputError, ContractError.
        """
        if picture.size != self._size:
            raise ContractError(f"{self.path}: a picture of {picture.size} among pictures of {self._size}")
        at = self._place(picture.pts)
        if at <= self._last:
            self.late += 1
            return False
        self._last, self._duration = at, picture.duration or self._duration
        frame = av.VideoFrame.from_ndarray(opaque(picture).planes, format="yuv420p")
        frame.pts, frame.duration, frame.time_base = at, self._duration, TICK
        frame.color_range, frame.colorspace = LIMITED, BT601
        self._encode(self._video, frame)
        return True

    def play(self, chunk: AudioChunk) -> None:
        """Encode sound at its own place. Raises OutputError, ContractError."""
        if chunk.rate != self._rate:
            raise ContractError(f"{self.path}: sound at {chunk.rate} Hz in a file of {self._rate} Hz")
        gap = -(-self._place(chunk.pts) * self._rate // TICKS) - self._samples
        gap = 0 if abs(gap) <= 1 else gap            # a tick is coarser than half a sample at 48 kHz
        if gap > MAX_GAP * self._rate:
            raise ContractError(f"{self.path}: sound jumped {gap / self._rate:.0f} s ahead")
        while gap > 0:
            part = min(gap, self._rate)
            self._sound(np.zeros(part, np.float32))
            gap -= part
        self._sound(clean(chunk.samples[-gap:]))

    def _sound(self, samples: NDArray[np.float32]) -> None:
        if not len(samples):
            return
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples)[None], format="fltp", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = self._rate, self._samples, Fraction(1, self._rate)
        self._samples += len(samples)
        self._encode(self._audio, frame)

    def _encode(self, stream: Any, frame: Any) -> None:
        try:
            for packet in stream.encode(frame):
                self._bytes += packet.size
                self._container.mux(packet)
        except OSError as error:
            raise self._failed(error) from error

    def _failed(self, error: OSError) -> OutputError:
        why = "no room left on the disk" if error.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", None)) else error.strerror or str(error)
        kept = f"; what came before is in {self.part}" if self._live else ""
        return OutputError(f"{self.path}: cannot be written ({why}){kept}. Free some room or choose another place")

    def close(self) -> None:
        """Finish the file and give it its name; with nothing in it no file appears. Raises OutputError."""
        if self._last < 0 and not self._samples:
            self._discard()
            return
        try:
            for stream in (self._video, self._audio):
                self._encode(stream, None)
            self._container.close()
            if self.part.stat().st_size < self._bytes:       # FFmpeg keeps a failed last write to itself
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            self.part.replace(self.path)
            self._container = self._video = self._audio = None       # x264's memory goes as soon as the collector looks
        except (OSError, OutputError) as error:
            self.abort()
            raise error if isinstance(error, OutputError) else self._failed(error) from error

    def abort(self) -> None:
        """Give up: an offline file disappears, a live recording keeps its playable part. Never raises OSError."""
        if self._live and self._last >= 0:
            with contextlib.suppress(OSError):
                self._container.close()
        else:
            self._discard()

    def _discard(self) -> None:
        with contextlib.suppress(OSError):
            if self._container:
                self._container.close()
        with contextlib.suppress(OSError):
            self.part.unlink()


def _create(path: Path) -> Path:
    """An empty file beside `path` under a name of its own, so that no recording overwrites another's remains."""
    if path.is_dir():
        raise UsageError(f"{path}: is a folder; expected the name of an .mp4 file to write")
    for number in itertools.count():
        part = path.with_name(f"{path.stem}.part{number or ''}.mp4")
        try:
            part.open("xb").close()
            return part
        except FileExistsError:
            continue
        except OSError as error:
            raise UsageError(f"{path}: cannot be created ({error.strerror}); expected a file name in a folder that "
                             "exists and may be written to") from error
