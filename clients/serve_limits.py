"""How much a caller may ask for: body sizes, how often, how many at once."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from typing import BinaryIO

from aiohttp import web

from limner.engine.clock import TICKS, Clock
from limner.engine.errors import Busy, TooLarge

MAX_SDP_BODY = 64 * 2**10
MAX_PORTRAIT = 32 * 2**20
MAX_SOUND = 256 * 2**20
MAX_SECONDS = 4 * 3600
STALLED = 20                  # s without a byte of a body before its sender is given up


async def read_body(request: web.Request, limit: int, what: str) -> bytes:
    """The whole body, at most `limit` bytes.

    Raises TooLarge, before reading where the header already says so, and HTTPRequestTimeout for a sender that has stalled.
    """
    _check_announced(request, limit, what)
    body = bytearray()
    async for part in _parts(request, what):
        body += part
        if len(body) > limit:
            raise TooLarge(_too_large(what, limit))
    return bytes(body)


async def spool_body(request: web.Request, limit: int, what: str, into: BinaryIO) -> int:
    """Stream the body to a file; its size. Raises TooLarge as `read_body` does."""
    _check_announced(request, limit, what)
    size = 0
    async for part in _parts(request, what):
        size += len(part)
        if size > limit:
            raise TooLarge(_too_large(what, limit))
        into.write(part)
    into.seek(0)
    return size


async def _parts(request: web.Request, what: str) -> AsyncIterator[bytes]:
    while True:
        try:
            async with asyncio.timeout(STALLED):
                part = await request.content.readany()
        except TimeoutError:
            raise web.HTTPRequestTimeout(text=f"no more of {what} came within {STALLED} s; send it again") from None
        if not part:
            return
        yield part


def _check_announced(request: web.Request, limit: int, what: str) -> None:
    if (request.content_length or 0) > limit:
        raise TooLarge(_too_large(what, limit))


def _too_large(what: str, limit: int) -> str:
    size = f"{limit // 2**20} MB" if limit >= 2**20 else f"{limit // 2**10} kB"
    return f"{what} is larger than {size}, the most that is read"


class RateLimit:
    """At most `count` calls in any `seconds`. Raises Busy beyond that."""

    def __init__(self, clock: Clock, count: int = 20, seconds: int = 10) -> None:
        self._clock, self._window = clock, seconds * TICKS
        self._calls: deque[int] = deque(maxlen=count)

    def check(self) -> None:
        now = self._clock.now()
        if len(self._calls) == self._calls.maxlen and now - self._calls[0] < self._window:
            raise Busy("too many new connections; wait a few seconds and try again")
        self._calls.append(now)
