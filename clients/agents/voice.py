"""A face for a voice agent: speech in as the agent makes it, pictures and the same speech out at the moment they belong.

What comes out is the agent's own sound, sample for sample and at its own rate; only its time is the avatar's. Between
speech there is no sound, only pictures.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from limner.clients import assemble
from limner.clients.options import make_options
from limner.engine.clock import SAMPLE_RATE, TICKS, ticks_from_samples
from limner.engine.errors import InputError
from limner.engine.protocols import AVSink
from limner.engine.session import Session
from limner.engine.types import AudioChunk, Picture
from limner.engine.utterance import Utterance
from limner.streams.pcm import PcmFeed

AHEAD = 10                    # s of speech that wait here, beside the session's own half minute, before `feed` does
BACKLOG = TICKS // 2          # what a consumer that stays away is given when it is back; older things are dropped

MakeSession = Callable[[AVSink], Awaitable[Session]]


@dataclass(frozen=True, slots=True)
class Voice:
    """Speech being heard now."""

    pcm: NDArray[np.int16]                   # [n, channels]
    rate: int                                # Hz
    pts: int                                 # ticks of the first sample, on the clock of the pictures
    label: Any                               # what its first `feed` was given


@dataclass(frozen=True, slots=True)
class SpeechEnd:
    """The last word has been seen and heard. Speech that was interrupted has no such end."""

    label: Any                               # what `end` was given


@dataclass(eq=False, slots=True)
class _Segment:
    """One stretch of speech: what the session says, and the sound it came as."""

    utterance: Utterance
    feed: PcmFeed
    format: tuple[int, int]                  # Hz, channels
    label: Any
    ends: list[Any]
    kept: bytearray = field(default_factory=bytearray)     # s16, interleaved, not yet given out
    given: int = 0                           # samples per channel given out

    def said(self, before: int) -> NDArray[np.int16]:
        """What was not given out yet of the sound whose first `before` samples at 16 kHz have been heard."""
        rate, channels = self.format
        size = max(0, before * rate // SAMPLE_RATE - self.given) * channels * 2
        out = np.frombuffer(bytes(self.kept[:size]), np.int16).reshape(-1, channels)
        del self.kept[:size]
        self.given += len(out)
        return out


class LiveAvatar:
    """An async context manager around one session, and an async iterator of Picture, Voice and SpeechEnd.

    One consumer iterates. It may be late by half a second; what is older then is dropped, pictures and speech alike.
    """

    def __init__(self, make: MakeSession, *, size: tuple[int, int] = (512, 512), fps: int = 25) -> None:
        """`make` builds the session around a sink; it draws `size` (H, W) at `fps`."""
        self.size, self.fps = size, fps
        self.dropped = 0                         # pictures and pieces of speech a late consumer lost
        self._make = make
        self._session: Session | None = None
        self._running: asyncio.Task[None] | None = None
        self._feeding: _Segment | None = None
        self._segments: deque[_Segment] = deque()
        self._events: deque[Picture | Voice | SpeechEnd] = deque()
        self._more = asyncio.Event()

    @classmethod
    def presenting(cls, **choices: Any) -> Self:
        """An avatar by the names of the command line's options: `avatar="ada"`, `portrait=Path("me.jpg")`, `fps=30`, `size=512`.

        Raises UsageError for an unknown value; what is wrong with a portrait shows when the context is entered.
        """
        options = make_options(choices)

        async def make(sink: AVSink) -> Session:
            face = await asyncio.to_thread(assemble.face, options)
            return assemble.session(options, sinks=[sink], prepared=face)

        return cls(make, size=(options.size, options.size), fps=options.fps)

    async def __aenter__(self) -> Self:
        self._session = await self._make(_Outlet(self))
        self._running = asyncio.create_task(self._session.run())
        self._running.add_done_callback(lambda _: self._more.set())
        await asyncio.sleep(0)                   # it has begun, so that `close` waits for its end
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._session.close()
        await asyncio.gather(self._running, return_exceptions=True)       # which whoever iterates is told

    @property
    def session(self) -> Session:
        """The session, once the context is entered: its latency, metrics and expressions."""
        return self._session

    async def feed(self, pcm: bytes | memoryview, rate: int, channels: int = 1, label: Any = None) -> None:
        """More speech, s16le and interleaved, at any pace; waits while much of it is still unsaid.

        Raises UsageError for a rate outside 8 to 48 kHz and InputError when the format changes before `end`.
        """
        segment = self._feeding or self._begin(rate, channels, label)
        if segment.format != (rate, channels):
            raise InputError(f"speech changed from {segment.format[0]} Hz, {segment.format[1]} channels to {rate} Hz, {channels}; "
                             "end it first")
        await segment.feed.room(AHEAD)
        if segment in self._segments:            # it was not interrupted meanwhile
            segment.feed.take(pcm)
            segment.kept += pcm

    def end(self, label: Any = None) -> bool:
        """The speech fed so far is whole: a SpeechEnd comes when it has been seen. False when nothing is left to end."""
        segment = self._feeding or (self._segments[-1] if self._segments else None)
        if segment is None:
            return False
        self._feeding = None
        segment.ends.append(label)
        segment.feed.end()
        return True

    def interrupt(self) -> None:
        """Stop now. No speech comes after this returns until more is fed, and no end of what was cut."""
        self._feeding = None
        for segment in self._segments:
            segment.feed.discard()
        self._segments.clear()
        self._events = deque(event for event in self._events if isinstance(event, Picture))
        self._session.interrupt()

    async def spoken(self) -> None:
        """Return when all that was ended has been seen, or was interrupted."""
        while pending := [segment.utterance.done for segment in self._segments if segment is not self._feeding]:
            await asyncio.wait(pending)          # which, unlike awaiting a future, does not cancel it

    async def __aiter__(self) -> AsyncIterator[Picture | Voice | SpeechEnd]:
        """Until the session ends; raises what it failed with."""
        while True:
            while self._events:
                yield self._events.popleft()
            if self._running.done():
                self._running.result()
                return
            self._more.clear()
            await self._more.wait()

    def _begin(self, rate: int, channels: int, label: Any) -> _Segment:
        feed = PcmFeed(rate, channels)
        utterance = self._session.say(aiter(feed))
        segment = _Segment(utterance, feed, (rate, channels), label, [])
        utterance.done.add_done_callback(lambda _: self._finish(segment))
        self._segments.append(segment)
        self._feeding = segment
        return segment

    def _finish(self, segment: _Segment) -> None:
        if segment not in self._segments:        # interrupted
            return
        self._segments.remove(segment)
        segment.feed.discard()
        if segment.utterance.state == "finished":
            for label in segment.ends:
                self._put(SpeechEnd(label))

    def hear(self, chunk: AudioChunk) -> None:
        """Sound of the session that is due now: speech within it is given out as it came."""
        for segment in self._segments:
            before, after = map(segment.utterance.said_before, (chunk.start, chunk.start + len(chunk.samples)))
            late = 0 if before else len(chunk.samples) - after       # it begins within the chunk
            if len(pcm := segment.said(after)):
                self._put(Voice(pcm, segment.format[0], chunk.pts + ticks_from_samples(late), segment.label))

    def see(self, picture: Picture) -> None:
        """A picture of the session that is due now."""
        self._put(picture)

    def _put(self, event: Picture | Voice | SpeechEnd) -> None:
        self._events.append(event)
        if not isinstance(event, SpeechEnd):
            kept = deque(each for each in self._events if isinstance(each, SpeechEnd) or event.pts - each.pts <= BACKLOG)
            self.dropped += len(self._events) - len(kept)
            self._events = kept
        self._more.set()


class _Outlet:
    """AVSink that never keeps the session waiting."""

    def __init__(self, avatar: LiveAvatar) -> None:
        self._avatar = avatar

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        return None

    async def show(self, picture: Picture) -> None:
        self._avatar.see(picture)

    async def play(self, chunk: AudioChunk) -> None:
        self._avatar.hear(chunk)
