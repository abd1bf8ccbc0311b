"""A face for LiveKit Agents: the `VideoGenerator` of an `AvatarRunner`.

The runner counts how much was heard from the sound that is yielded here, so that is the agent's speech alone, sample
for sample and at its own rate, and `AudioSegmentEnd` comes when its last word was seen. See docs/agents.md.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Self

from limner.engine.errors import MissingPackage
from limner.engine.types import Picture

from .voice import LiveAvatar, SpeechEnd, Voice

try:
    from livekit import rtc
    from livekit.agents.voice.avatar import AudioSegmentEnd, AvatarOptions, VideoGenerator
except ImportError as error:
    raise MissingPackage("LiveKit Agents is not installed: pip install 'limner[livekit]'") from error


class AvatarGenerator(VideoGenerator):
    """An async context manager; entered, it draws until it is left, whether or not there is speech."""

    def __init__(self, ready: LiveAvatar | None = None, /, **choices: Any) -> None:
        """A `ready` avatar, or the options of one by name: `portrait=Path("me.jpg")`, `fps=30`, `size=512`."""
        self.avatar = ready or LiveAvatar.presenting(**choices)
        self._over = asyncio.Event()             # no segment end is owed to the runner
        self._over.set()
        self._cleared = 0

    def options(self, *, audio_sample_rate: int, audio_channels: int = 1) -> AvatarOptions:
        """What `AvatarRunner` is to be told; the rate and channels are those of the agent's speech."""
        height, width = self.avatar.size
        return AvatarOptions(video_width=width, video_height=height, video_fps=self.avatar.fps,
                             audio_sample_rate=audio_sample_rate, audio_channels=audio_channels)

    async def __aenter__(self) -> Self:
        """Raises what a portrait or animator that cannot be used raises."""
        await self.avatar.__aenter__()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.avatar.__aexit__(*exc)

    async def push_audio(self, frame: "rtc.AudioFrame | AudioSegmentEnd") -> None:
        """Speech as the agent makes it, at any pace; waits while much of it is still unsaid.

        A segment waits until the runner has dealt with the end of the one before, which it would take for its own.
        """
        if isinstance(frame, AudioSegmentEnd):
            if self._over.is_set() and self.avatar.end():
                self._over.clear()
            return
        cleared = self._cleared
        await self._over.wait()
        if cleared == self._cleared:
            await self.avatar.feed(frame.data.cast("B"), frame.sample_rate, frame.num_channels)

    def clear_buffer(self) -> None:
        """The user spoke: nothing of what was pushed so far is heard from now on."""
        self._cleared += 1
        self.avatar.interrupt()
        self._over.set()

    async def __aiter__(self) -> "AsyncIterator[rtc.VideoFrame | rtc.AudioFrame | AudioSegmentEnd]":
        try:
            async for event in self.avatar:
                yield _frame(event)
                if isinstance(event, SpeechEnd):
                    self._over.set()
        finally:
            self._over.set()                     # nobody listens any more: let nobody wait


def _frame(event: Picture | Voice | SpeechEnd) -> "rtc.VideoFrame | rtc.AudioFrame | AudioSegmentEnd":
    if isinstance(event, Picture):
        height, width = event.size
        return rtc.VideoFrame(width, height, rtc.VideoBufferType.I420, event.planes.tobytes())
    if isinstance(event, Voice):
        count, channels = event.pcm.shape
        return rtc.AudioFrame(event.pcm.tobytes(), event.rate, channels, count)
    return AudioSegmentEnd()
