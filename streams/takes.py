"""A recording that begins and ends while its session runs."""

import asyncio
from typing import Protocol

from limner.engine.protocols import AVSink

from .watched import Watched


class Recordable(Protocol):
    """The part of a session that a take needs."""

    async def attach(self, sink: AVSink) -> None: ...
    async def detach(self, sink: AVSink) -> None: ...


class Take(Watched):
    """One sink of a session for a while; `name` is what those who ask call it.

    `over` is set when the sink is closed: stopped, failed, or because the session has ended.
    """

    def __init__(self, session: Recordable, sink: AVSink, name: str) -> None:
        super().__init__(sink)
        self.name, self.over = name, asyncio.Event()
        self._session, self._turn = session, asyncio.Lock()       # a stop waits until the start is done

    async def start(self) -> None:
        """Raises UsageError when the session is over, and what the opening of the sink raises."""
        async with self._turn:
            try:
                await self._session.attach(self)
            except BaseException as error:
                self.error = error if isinstance(error, Exception) else None
                self.over.set()
                raise

    async def stop(self) -> None:
        """Close the sink, if nothing else did. Raises what went wrong at any time: a session only leaves a failed sink."""
        async with self._turn:
            await self._session.detach(self)     # also of what has failed: it frees the place
            await self.over.wait()
        if self.error:
            raise self.error

    async def __aexit__(self, *exc: object) -> None:
        try:
            await super().__aexit__(*exc)
        finally:
            self.over.set()
