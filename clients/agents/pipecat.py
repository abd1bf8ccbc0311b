"""A face for Pipecat: a service that stands between text-to-speech and the output transport.

It takes the speech out of the stream and gives it back, sample for sample, with the pictures it belongs to; a
`TTSStoppedFrame` is held until its last word was seen, so that the transport tells when the bot stopped speaking as it
happens. Everything else passes. See docs/agents.md.
"""

import asyncio
from typing import Any

import cv2

from limner.engine.clock import TICKS
from limner.engine.errors import LimnerError, MissingPackage
from limner.engine.types import Picture

from .voice import LiveAvatar, SpeechEnd, Voice

try:
    from pipecat.frames.frames import (
        CancelFrame,
        EndFrame,
        Frame,
        InterruptionFrame,
        OutputImageRawFrame,
        StartFrame,
        TTSAudioRawFrame,
        TTSStoppedFrame,
    )
    from pipecat.processors.frame_processor import FrameDirection
    from pipecat.services.ai_service import AIService
    from pipecat.services.settings import ServiceSettings
except ImportError as error:
    raise MissingPackage("Pipecat is not installed: pip install 'limner[pipecat]'") from error


class LimnerVideoService(AIService):
    """Pictures at the avatar's rate from start to end, and the bot's speech when it is seen."""

    def __init__(self, ready: LiveAvatar | None = None, /, *, sync_with_audio: bool = False,
                 service: dict[str, Any] | None = None, **choices: Any) -> None:
        """A `ready` avatar, or the options of one by name: `portrait=Path("me.jpg")`, `fps=30`, `size=512`.

        `sync_with_audio` has the transport queue each picture behind the sound before it; leave it off where
        `video_out_is_live` is on. `service` goes to Pipecat's AIService.
        """
        super().__init__(settings=ServiceSettings(model=None), **(service or {}))
        self.avatar = ready or LiveAvatar.presenting(**choices)
        self._sync = sync_with_audio
        self._showing: asyncio.Task | None = None

    async def start(self, frame: StartFrame) -> None:
        await super().start(frame)
        try:
            await self.avatar.__aenter__()
        except LimnerError as error:
            await self.push_error(error_msg=str(error), exception=error)
            return
        self._showing = self.create_task(self._show())

    async def stop(self, frame: EndFrame) -> None:
        """What is being said is said to its end first."""
        await super().stop(frame)
        if self._showing:
            self.avatar.end()
            await self.avatar.spoken()
        await self._leave()

    async def cancel(self, frame: CancelFrame) -> None:
        await super().cancel(frame)
        await self._leave()

    async def cleanup(self) -> None:
        await super().cleanup()
        await self._leave()

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if direction is FrameDirection.UPSTREAM or not await self._taken(frame):
            await self.push_frame(frame, direction)

    async def _taken(self, frame: Frame) -> bool:
        """Whether the frame comes back later, with the pictures."""
        if not self._showing or self._showing.done():
            return False
        if isinstance(frame, TTSAudioRawFrame):
            await self._speak(frame)
            return True
        if isinstance(frame, TTSStoppedFrame):
            return self.avatar.end(frame)
        if isinstance(frame, InterruptionFrame):
            self.avatar.interrupt()
        return False

    async def _speak(self, frame: TTSAudioRawFrame) -> None:
        try:
            await self.avatar.feed(frame.audio, frame.sample_rate, frame.num_channels, label=frame)
        except LimnerError as error:
            await self.push_error(error_msg=str(error), exception=error)

    async def _show(self) -> None:
        try:
            async for event in self.avatar:
                if (frame := self._frame(event)) is not None:
                    await self.push_frame(frame)
        except Exception as error:               # the face failed; the conversation goes on by voice alone
            await self.push_error(error_msg=f"the avatar stopped: {error}", exception=error)

    def _frame(self, event: Picture | Voice | SpeechEnd) -> Frame | None:
        if isinstance(event, SpeechEnd):
            return event.label
        if isinstance(event, Picture):
            height, width = event.size
            pixels = cv2.cvtColor(event.planes, cv2.COLOR_YUV2RGB_I420)
            frame = OutputImageRawFrame(pixels.tobytes(), (width, height), "RGB")
            frame.sync_with_audio = self._sync
        else:
            first = event.label
            frame = TTSAudioRawFrame(event.pcm.tobytes(), event.rate, event.pcm.shape[1], context_id=first.context_id)
            frame.transport_destination = first.transport_destination
        frame.pts = event.pts * 1_000_000_000 // TICKS
        return frame

    async def _leave(self) -> None:
        showing, self._showing = self._showing, None
        if showing:
            await self.avatar.__aexit__(None, None, None)
            await showing
