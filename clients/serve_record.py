"""`POST /record`: keep a running session in a file on the server. `POST /record/stop`: that will do.

Only where the operator named a folder; files get names made here. A session's end ends its recording too.
"""

import contextlib
from pathlib import Path

from aiohttp import web

from limner.engine.errors import LimnerError, OutputError, UsageError
from limner.streams.takes import Take

from . import recordings
from .serve_sessions import Sessions


def routes(sessions: Sessions, folder: Path | None) -> list[web.RouteDef]:
    """Both are refused without a `folder`."""

    async def start(request: web.Request) -> web.Response:
        """201 once the file is open; pictures and sound go into it from now on."""
        place, live = _allowed(folder), sessions.find(request.query.get("session"))
        if live.recording:
            raise web.HTTPConflict(text=f"{live.take.name} is being recorded already; stop it first")
        name, recorder = recordings.new(place, size=(live.request.size,) * 2, fps=live.request.fps)
        take = Take(live.session, recorder, name)
        before, live.take = live.take, take
        try:
            await _forget(before)
            await take.start()
        except LimnerError as error:
            live.take = None
            raise UsageError(_without(place, error)) from error
        return web.json_response({"session": live.id, "name": name}, status=201)

    async def stop(request: web.Request) -> web.Response:
        """200 once the file is whole. A recording that failed before is told now."""
        place, live = _allowed(folder), sessions.find(request.query.get("session"))
        take, live.take = live.take, None
        if take is None:
            raise web.HTTPConflict(text="nothing is being recorded; POST to /record first")
        try:
            await take.stop()
        except LimnerError as error:
            raise OutputError(_without(place, error)) from error
        return web.json_response({"session": live.id, "name": take.name})

    return [web.post("/record", start), web.post("/record/stop", stop)]


def _allowed(folder: Path | None) -> Path:
    if folder is None:
        raise web.HTTPForbidden(text="this server records nothing; start it with --recordings DIR")
    return folder


async def _forget(take: Take | None) -> None:
    """Free the place of a recording that failed; the log has said so."""
    if take:
        with contextlib.suppress(Exception):
            await take.stop()


def _without(folder: Path, error: Exception) -> str:
    """A caller need not know where on the server files lie."""
    return str(error).replace(f"{folder}/", "")
