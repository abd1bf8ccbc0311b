"""`POST /say`: a sound or video file through the face. `POST /interrupt`: stop speaking now."""

import tempfile
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import BinaryIO

from aiohttp import web

from limner.engine.clock import TICKS
from limner.engine.errors import Busy, TooLarge, UsageError
from limner.engine.types import AudioChunk
from limner.engine.utterance import Utterance
from limner.streams.sources.mediafile import MediaFile

from .serve_limits import MAX_SECONDS, MAX_SOUND, spool_body
from .serve_sessions import Live, Sessions

WAITING = 16                  # utterances one session may have before it, unfinished
IN_MEMORY = 8 * 2**20         # bytes of an upload before it goes to a temporary file


def routes(sessions: Sessions) -> list[web.RouteDef]:
    async def say(request: web.Request) -> web.Response:
        """202 once the file has proved to be sound; it is decoded while it is spoken."""
        live = sessions.find(request.query.get("session"))
        if live.waiting >= WAITING:
            raise Busy(f"{WAITING} sounds are waiting to be spoken; send more when some have been, or interrupt")
        live.waiting += 1                                   # from the first byte on: uploads side by side count, too
        file = tempfile.SpooledTemporaryFile(IN_MEMORY)     # noqa: SIM115 - closed by `_chunks`, long after this request
        try:
            if not await spool_body(request, MAX_SOUND, "the sound", file):
                raise UsageError("the body is empty; send a sound or video file")
            sound = await _open(file)
        except BaseException:
            live.waiting -= 1
            file.close()
            raise
        live.utterances += 1
        number, length = live.utterances, sound.info.duration
        utterance = live.session.say(_chunks(sound, file))
        live.start(_announce(live, number, utterance))
        return web.json_response({"session": live.id, "utterance": number,
                                  "seconds": length / TICKS if length else None}, status=202)

    async def interrupt(request: web.Request) -> web.Response:
        live = sessions.find(request.query.get("session"))
        live.session.interrupt()
        return web.json_response({"session": live.id})

    return [web.post("/say", say), web.post("/interrupt", interrupt)]


async def _open(file: BinaryIO) -> MediaFile:
    sound = await MediaFile(file).__aenter__()
    if (sound.info.duration or 0) > MAX_SECONDS * TICKS:
        await sound.__aexit__()
        raise TooLarge(f"the sound lasts {sound.info.duration // TICKS} s; at most {MAX_SECONDS} s are spoken")
    return sound


async def _chunks(sound: MediaFile, file: BinaryIO) -> AsyncIterator[AudioChunk]:
    """The sound's chunks, whatever its header claimed at most `MAX_SECONDS`; file and decoder are closed however the
    speaking ends."""
    try:
        async with aclosing(aiter(sound)) as chunks:      # waits for the decoder to let go of the file
            async for chunk in chunks:
                if chunk.pts >= MAX_SECONDS * TICKS:
                    return
                yield chunk
    finally:
        await sound.__aexit__()
        file.close()


async def _announce(live: Live, number: int, utterance: Utterance) -> None:
    """Tell the pages when an utterance begins to count and when its last word has been seen."""
    live.tell({"speaking": number})
    await utterance.done
    live.waiting -= 1
    live.tell({"spoken": number, "state": utterance.state})
