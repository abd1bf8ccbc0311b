"""`limner serve`: the page and the HTTP face of the engine, put together."""

import asyncio
import contextlib
import logging
import signal
import socket
import ssl
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web

from limner.engine.clock import Clock, MonotonicClock
from limner.engine.errors import DeviceError, UsageError
from limner.streams.icelinks import IceServer

from . import serve_audio, serve_avatars, serve_metrics, serve_record, serve_say
from .certificates import EVERYWHERE
from .options import MOODS, RATES, SIZES
from .serve_avatars import Gallery
from .serve_security import check_bind, guard, is_loopback, one_line_errors
from .serve_sessions import SessionFactory, SessionRequest, Sessions
from .serve_talk import Talk

log = logging.getLogger(__name__)
WEB = Path(__file__).parent / "web"
DRAIN_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class ServeOptions:
    """Where and for whom. `token` is demanded for any `host` but this machine; `origins` are other sites' pages that may call.

    Callers may record sessions into the folder `recordings`. With `listen` a visitor's microphone is whom the avatar listens to; it speaks by /say and /audio. `fps`, `size`, `mood`
    and `liveliness` are what a visitor gets who chooses nothing; the last two only say so, `factory` knows them itself.
    """

    host: str = "127.0.0.1"
    port: int = 8400
    token: str | None = None
    max_sessions: int = 8
    fps: int = 25
    size: int = 512
    mood: str = "neutral"
    liveliness: float = 1.0
    cert: Path | None = None
    key: Path | None = None
    origins: tuple[str, ...] = ()
    ice_servers: tuple[IceServer, ...] = ()
    listen: bool = False
    recordings: Path | None = None
    clock: Clock = field(default_factory=MonotonicClock)


def make_app(factory: SessionFactory, gallery: Gallery, options: ServeOptions) -> web.Application:
    """The whole HTTP face. Raises UsageError when `options` would open it to strangers."""
    check_bind(options.host, options.token)
    sessions = Sessions(factory, options.clock, options.max_sessions)
    talk = Talk(sessions, gallery, options.clock, fps=options.fps, size=options.size, ice_servers=options.ice_servers,
                private=not is_loopback(options.host), listen=options.listen)
    guarded = guard(options.token, is_loopback(options.host), options.origins, options.ice_servers)
    app = web.Application(middlewares=[guarded, one_line_errors])
    app.add_routes(_page_routes(options))
    app.add_routes(talk.routes())
    app.add_routes(serve_say.routes(sessions))
    app.add_routes(serve_record.routes(sessions, options.recordings))
    app.add_routes(serve_audio.routes(sessions, gallery, options.clock, fps=options.fps, size=options.size))
    app.add_routes(serve_metrics.routes(sessions))
    app.add_routes(serve_avatars.routes(gallery))

    async def drain(app: web.Application) -> None:
        await sessions.drain()

    app.on_shutdown.append(drain)
    return app


def _page_routes(options: ServeOptions) -> list[web.AbstractRouteDef]:
    async def page(request: web.Request) -> web.StreamResponse:
        return web.FileResponse(WEB / "index.html")

    async def stage(request: web.Request) -> web.StreamResponse:
        return web.FileResponse(WEB / "stage.html")

    async def icon(request: web.Request) -> web.StreamResponse:
        return web.FileResponse(WEB / "icon.svg", headers={"Content-Type": "image/svg+xml"})

    async def choices(request: web.Request) -> web.Response:
        default = {name: getattr(options, name) for name in ("fps", "size", "mood", "liveliness")}
        return web.json_response({"fps": RATES, "sizes": SIZES, "moods": MOODS, "default": default,
                                  "iceServers": [_for_the_page(server) for server in options.ice_servers]})

    return [web.get("/", page), web.get("/stage", stage), web.get("/favicon.ico", icon), web.get("/options", choices), web.static("/web", WEB)]


def _for_the_page(server: IceServer) -> dict:
    secret = {"username": server.username, "credential": server.credential} if server.credential else {}
    return {"urls": server.url, **secret}


async def serve(factory: SessionFactory, gallery: Gallery, options: ServeOptions, ready=None) -> None:
    """Serve until SIGINT or SIGTERM, then let every session end, within two seconds.

    `ready(url)` is called once the port is open and a first session has been tried, so that the first visitor waits no
    longer than the others and whatever is wrong with the face shows here. Raises UsageError and DeviceError for what
    cannot be opened, and what `factory` raises.
    """
    app = make_app(factory, gallery, options)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=DRAIN_SECONDS / 4)
    await runner.setup()
    try:
        site = web.TCPSite(runner, options.host, options.port, ssl_context=_tls(options))
        try:
            await site.start()
        except OSError as error:
            raise DeviceError(f"cannot listen on {options.host}:{options.port} ({error.strerror or error}); choose another --port "
                              "or stop the program that uses it") from error
        await _rehearse(factory, gallery, options)
        if ready:
            ready(_url(options, runner.addresses[0][1]))
        await _stop_signal()
    finally:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(runner.cleanup(), DRAIN_SECONDS + 1)


async def _rehearse(factory: SessionFactory, gallery: Gallery, options: ServeOptions) -> None:
    for name in gallery.names():
        await gallery.thumbnail(name)
    session = await factory(SessionRequest(await gallery.get(None), options.fps, options.size))
    running = asyncio.create_task(session.run())
    await asyncio.sleep(0)                        # it has begun, so that `close` waits for its end
    await session.close()
    await running


async def _stop_signal() -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    heard = []
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError, RuntimeError):     # Windows; or not the main thread
            loop.add_signal_handler(number, stop.set)
            heard.append(number)
    try:
        await stop.wait()
    finally:
        for number in heard:
            loop.remove_signal_handler(number)


def _url(options: ServeOptions, port: int) -> str:
    host = options.host.strip("[]")
    if host in EVERYWHERE:
        host = socket.gethostname()                  # which the certificate of this machine names, too
    host = f"[{host}]" if ":" in host else host
    return f"{'https' if options.cert else 'http'}://{host}:{port}/" + (f"#token={options.token}" if options.token else "")


def _tls(options: ServeOptions) -> ssl.SSLContext | None:
    if options.cert is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(options.cert, options.key)
    except (OSError, ssl.SSLError) as error:
        raise UsageError(f"the certificate {options.cert} and its key cannot be used ({error}); expected two PEM files") from error
    return context
