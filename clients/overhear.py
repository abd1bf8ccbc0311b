"""`limner run --listen SOURCE`: a second sound, of whom the avatar talks with."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator

from limner.engine.errors import UsageError
from limner.engine.protocols import AudioSource
from limner.engine.session import Session

log = logging.getLogger("limner")


def check_live(text: str, source: AudioSource) -> AudioSource:
    """The source itself. Raises UsageError for a file: nobody talks with a recording."""
    if not source.live:
        raise UsageError(f"--listen {text}: expected mic[:NAME] or zmq:ENDPOINT, somebody who is there")
    return source


@contextlib.asynccontextmanager
async def listening(session: Session, source: AudioSource | None) -> AsyncIterator[None]:
    """Inside, the session hears `source`. A source that fails later is logged: the avatar goes on speaking.

    Raises what opening the source raises.
    """
    if source is None:
        yield
        return
    async with source:
        hearing = asyncio.create_task(_hear(session, source))
        try:
            yield
        finally:
            hearing.cancel()
            await asyncio.wait({hearing})


async def _hear(session: Session, source: AudioSource) -> None:
    try:
        async for chunk in source:
            session.listen(chunk)
    except Exception as error:
        log.error("the avatar listens no more: %s", error or type(error).__name__)
