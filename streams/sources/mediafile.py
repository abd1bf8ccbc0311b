"""A sound or video file as a source: read as fast as it is asked for, decoded on its own thread."""

import asyncio
import dataclasses
import itertools
from collections.abc import AsyncIterator, Generator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO, Self

from limner.engine.clock import SAMPLE_RATE, Clock
from limner.engine.types import AudioChunk
from limner.streams.media import probe, read_chunks

BATCH = 25      # chunks (0.5 s) decoded per visit to the thread: few switches, first sound still within milliseconds


class MediaFile:
    """AudioSource over a path or an open binary file. Mono 16 kHz, 20 ms chunks, pts 0 at the first sample."""

    rate = SAMPLE_RATE
    live = False

    def __init__(self, file: str | Path | BinaryIO, clock: Clock | None = None) -> None:
        """`clock` stamps `captured_ns` with the moment of reading; without one it is the time in the file."""
        self._file, self._clock = file, clock
        self._chunks: Generator[AudioChunk] | None = None

    async def __aenter__(self) -> Self:
        """Raises MediaError at once when the header cannot be used."""
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="limner-decode")
        try:
            self.info = await self._run(probe, self._file)
        except BaseException:
            self._thread.shutdown(wait=False)
            raise
        if not isinstance(self._file, str | Path):
            self._file.seek(0)
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._thread.submit(self._close)           # after what is being decoded; nobody may be left to wait for it
        self._thread.shutdown(wait=False)

    async def __aiter__(self) -> AsyncIterator[AudioChunk]:
        chunks = self._chunks = read_chunks(self._file)
        while batch := await self._run(lambda: list(itertools.islice(chunks, BATCH))):
            for chunk in batch:
                yield self._stamp(chunk)

    def _close(self) -> None:
        if self._chunks is not None:
            self._chunks.close()

    def _stamp(self, chunk: AudioChunk) -> AudioChunk:
        return dataclasses.replace(chunk, captured_ns=self._clock.now_ns()) if self._clock else chunk

    async def _run(self, work, *args):
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, *args)


def create(argument: str, *, clock: Clock | None = None) -> MediaFile:
    """Registry entry: `argument` is the path. Raises MediaError when its header cannot be used."""
    probe(argument)
    return MediaFile(argument, clock)
