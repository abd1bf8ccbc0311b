"""Who may call, and what every answer carries: loopback or a token, no foreign web page, one-line JSON errors."""

import hmac
import ipaddress
import logging
import secrets
from collections.abc import Awaitable, Callable
from urllib.parse import SplitResult, urlsplit

from aiohttp import web

from limner.engine.errors import Busy, LimnerError, UsageError
from limner.streams.icelinks import IceServer, link

log = logging.getLogger(__name__)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

RETRY_AFTER = 10              # s, told with 503: as long as new connections are counted
CHANGES = {"POST", "PATCH", "DELETE", "PUT"}
OFFERED = ("/talk", "/whip", "/whep")
EXPOSED = "Location, Link, ETag, Accept-Patch, WWW-Authenticate, Limner-Session"
HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; "
                               "object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Permissions-Policy": "microphone=(self), camera=(), geolocation=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-cache",
}


def is_loopback(host: str) -> bool:
    """Whether a host name or address can only mean this machine."""
    host = host.strip("[]").rstrip(".").lower()
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check_bind(host: str, token: str | None) -> None:
    """Raises UsageError when others could reach `host` and no token (of 16 characters at least) guards it."""
    if is_loopback(host):
        return
    if not token:
        raise UsageError(f"{host} can be reached by other machines, so a token is needed: add --token "
                         f"{secrets.token_urlsafe(18)} (or bind 127.0.0.1)")
    if len(token) < 16:
        raise UsageError(f"the token has {len(token)} characters; use 16 or more")


def error_response(status: int, message: str, headers: dict[str, str] | None = None) -> web.Response:
    """The one form of every error: {"error": one line}."""
    return web.json_response({"error": " ".join(message.split())}, status=status, headers=headers)


@web.middleware
async def one_line_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Errors of limner with their own status, aiohttp's with theirs, anything else as a logged 500."""
    try:
        return await handler(request)
    except LimnerError as error:
        later = {"Retry-After": str(RETRY_AFTER)} if isinstance(error, Busy) else None
        return error_response(error.http_status, str(error), later)
    except web.HTTPException as error:
        if error.status < 400:
            raise
        kept = {name: value for name, value in error.headers.items() if name in ("Allow", "WWW-Authenticate", "Retry-After")}
        return error_response(error.status, error.text or error.reason, kept)
    except Exception:
        log.exception("request failed: %s %s", request.method, request.path)
        return error_response(500, "internal error; the server's log says more")


def guard(token: str | None, loopback: bool, origins: tuple[str, ...] = (), ice_servers: tuple[IceServer, ...] = ()):
    """Middleware: Host (against DNS rebinding), Origin (against other pages), token, headers.

    Without a token the page and its files are open to whoever reaches the port, which `check_bind` keeps to this
    machine. With one, everything but those files needs `Authorization: Bearer`. Pages of `origins` may call too (CORS).
    OPTIONS is answered without the token, which browsers do not send with it, but names no TURN server then.
    """

    @web.middleware
    async def checked(request: web.Request, handler: Handler) -> web.StreamResponse:
        origin = request.headers.get("Origin")
        refusal = _refusal(request, origin)
        if refusal is None and request.method == "OPTIONS":
            refusal = _options(request)
        response = refusal if refusal is not None else await handler(request)
        if not response.prepared:
            response.headers.update({name: value for name, value in HEADERS.items() if name not in response.headers})
            if origin in origins:
                response.headers.update(_cors(origin))
        return response

    def _refusal(request: web.Request, origin: str | None) -> web.Response | None:
        host = _split(f"//{request.host}").hostname or ""
        if loopback and not is_loopback(host):
            return error_response(403, f"this server answers to 127.0.0.1 and localhost only, not to {host[:80]!r}")
        foreign = origin is not None and _split(origin).netloc != request.host and origin not in origins
        if foreign and (request.method in CHANGES or request.headers.get("Upgrade")):
            return error_response(403, "pages of another site may not use this server")
        if token and request.method != "OPTIONS" and not _is_page(request) and not _has_token(request):
            return error_response(401, "a token is needed: send Authorization: Bearer TOKEN", {"WWW-Authenticate": "Bearer"})
        return None

    def _options(request: web.Request) -> web.Response:
        response = web.Response(status=204, headers={"Accept-Post": "application/sdp"})
        if request.path in OFFERED:
            known = token is None or _has_token(request)
            response.headers.extend(("Link", link(server)) for server in ice_servers if known or server.credential is None)
        return response

    def _has_token(request: web.Request) -> bool:
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        return scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode("utf-8", "surrogateescape"), token.encode())

    return checked


def _split(url: str) -> SplitResult:
    """Its parts; all are empty where a stranger sent what is no URL."""
    try:
        return urlsplit(url)
    except ValueError:
        return urlsplit("")


def _is_page(request: web.Request) -> bool:
    return request.method in ("GET", "HEAD") and (request.path in ("/", "/stage", "/favicon.ico", "/health") or request.path.startswith("/web/"))


def _cors(origin: str) -> dict[str, str]:
    return {"Access-Control-Allow-Origin": origin, "Vary": "Origin", "Access-Control-Expose-Headers": EXPOSED,
            "Access-Control-Allow-Methods": "GET, POST, PATCH, DELETE, OPTIONS",
            "Access-Control-Allow-Headers": "Authorization, Content-Type, If-Match"}
