"""A sink that remembers how it went, for whoever has to say so when the session is over."""

from collections.abc import Awaitable, Callable
from typing import Self

from limner.engine.protocols import AVSink
from limner.engine.types import AudioChunk, Picture


class Watched:
    """A sink whose first failure is kept, to be reported when the session, which goes on without it, is over."""

    def __init__(self, sink: AVSink) -> None:
        self.sink = sink
        self.begun: Callable[[], None] = lambda: None        # called before each picture: all is open and running then
        self.error: Exception | None = None

    async def __aenter__(self) -> Self:
        await self.sink.__aenter__()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._keep(self.sink.__aexit__(*exc))

    async def show(self, picture: Picture) -> None:
        self.begun()
        await self._keep(self.sink.show(picture))

    async def play(self, chunk: AudioChunk) -> None:
        await self._keep(self.sink.play(chunk))

    async def _keep(self, call: Awaitable[None]) -> None:
        try:
            await call
        except Exception as error:
            self.error = self.error or error
            raise
