"""Records a live session into an MP4 (see `mp4`): fragmented while it runs, whole and renamed when it ends.

x264 and AAC run on a thread of their own with room for a second of work: nobody watches a recording now, so a short
stall costs it nothing, and a long one costs it pictures but never the session time.
"""

import asyncio
import gc
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self

from limner.engine.clock import SAMPLE_RATE
from limner.engine.errors import UsageError
from limner.engine.types import AudioChunk, Picture
from limner.streams.mp4 import Mp4Writer

ROOM = 75          # pictures and chunks of sound waiting for the encoder: about a second at 25 fps, 20 MB at 512x512


class Recorder:
    """AVSink over `Mp4Writer`. `written` counts pictures; `path` appears when the context ends without an error.

    Killed from outside, the process leaves NAME.part.mp4, which plays up to its last second.
    """

    def __init__(self, path: str | Path, *, size: tuple[int, int], fps: int, rate: int = SAMPLE_RATE) -> None:
        """`size` (H, W); `rate` Hz of the sound that will come."""
        self.path, self.written = Path(path), 0
        self._pending: deque[asyncio.Future] = deque()
        self._make = lambda: Mp4Writer(path, size=size, fps=fps, rate=rate, live=True)

    async def __aenter__(self) -> Self:
        """Raises UsageError when the file cannot be created."""
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="limner-record")
        try:
            self._writer = await self._run(self._make)
        except BaseException:
            self._thread.shutdown(wait=False)
            raise
        return self

    async def __aexit__(self, kind: object, *exc: object) -> None:
        """An error elsewhere still finishes the recording: what was said until then is worth keeping."""
        try:
            await asyncio.shield(self._run(self._writer.close))
            await self._run(_collect)
        finally:
            self._thread.shutdown(wait=False)
            done = await asyncio.gather(*self._pending, return_exceptions=True)
        self.written += sum(result is True for result in done)
        if failures := [result for result in done if isinstance(result, Exception)]:
            raise failures[0]

    async def show(self, picture: Picture) -> None:
        """Encode one picture, soon. Raises OutputError when the disk is full."""
        await self._put(self._writer.show, picture)

    async def play(self, chunk: AudioChunk) -> None:
        """Encode sound at its own time, soon. Raises OutputError when the disk is full."""
        await self._put(self._writer.play, chunk)

    async def _put(self, work: Callable[[Any], Any], item: Picture | AudioChunk) -> None:
        self._pending.append(self._run(work, item))
        await self._reap(ROOM)

    async def _reap(self, room: int) -> None:
        while self._pending and (len(self._pending) > room or self._pending[0].done()):
            self.written += await self._pending.popleft() is True

    def _run(self, work: Callable[..., Any], *args: Any) -> asyncio.Future:
        return asyncio.get_running_loop().run_in_executor(self._thread, work, *args)


def _collect() -> None:
    """PyAV's container and streams hold each other, so an ended recording keeps 30 MB until the collector's next full
    look. That is cheap only in a program that froze what it started with (`gc.freeze`); others keep their own pace.
    """
    if gc.get_freeze_count():
        gc.collect()


def create(argument: str, *, size: tuple[int, int], fps: int) -> Recorder:
    """Registry entry: `argument` is a path that ends in .mp4."""
    if Path(argument).suffix.lower() != ".mp4":
        raise UsageError(f"{argument}: a recording is an .mp4; expected a file name that ends in .mp4")
    return Recorder(argument, size=size, fps=fps)
