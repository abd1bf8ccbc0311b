"""The HTTP half of a WHIP client (RFC 9725): which ICE servers, an offer out, an answer back, and a goodbye."""

import asyncio
import contextlib
import logging
import re
from http import HTTPStatus
from typing import Self
from urllib.parse import unquote, urljoin, urlsplit, urlunsplit

import aiohttp

from limner.engine.errors import DeviceError, InputError, UsageError

from .icelinks import IceServer, parse

log = logging.getLogger(__name__)
SDP = "application/sdp"
ASK_WITHIN = 2                # s
ANSWER_WITHIN = 15            # s
GOODBYE_WITHIN = 3            # s
MAX_ANSWER = 64 * 1024        # bytes
MAX_REDIRECTS = 3
HINTS = {
    HTTPStatus.UNAUTHORIZED: "give its token in LIMNER_WHIP_TOKEN",
    HTTPStatus.FORBIDDEN: "give its own token in LIMNER_WHIP_TOKEN",
    HTTPStatus.NOT_FOUND: "check the path of the URL",
    HTTPStatus.METHOD_NOT_ALLOWED: "this is no WHIP endpoint; check the path of the URL",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "this is no WHIP endpoint; check the path of the URL",
    HTTPStatus.CONFLICT: "somebody else streams there; end that stream or choose another URL",
}


class WhipEndpoint:
    """One WHIP URL. `ice_servers` come first, `offer` opens a stream there, leaving closes it. Everything stays on the URL's own host."""

    def __init__(self, url: str, token: str | None = None) -> None:
        """A token in the URL (`https://TOKEN@host/path`) goes before `token`. Raises UsageError for what is no http(s) URL."""
        self.url, inside = _split(url)
        self._token = inside or token
        if self._token and not re.fullmatch(r"[\x21-\x7e]+", self._token):
            raise UsageError("the WHIP token holds a space or a character that is not ASCII; copy it again")
        self._location: str | None = None
        self._http: aiohttp.ClientSession | None = None

    def __str__(self) -> str:
        """Without token and query, fit for a message."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc}{parts.path}"

    async def __aenter__(self) -> Self:
        self._http = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())
        return self

    async def __aexit__(self, *exc: object) -> None:
        """Ends the stream if one was opened."""
        try:
            await self._end()
        finally:
            await self._http.close()

    async def ice_servers(self) -> list[IceServer]:
        """STUN and TURN servers that the server names before the offer, when they can still be used. None where it says nothing."""
        try:
            async with asyncio.timeout(ASK_WITHIN):
                async with self._http.options(self.url, headers=self._authorization(), allow_redirects=False) as response:
                    return parse(response.headers.getall("Link", [])) if response.status < 300 else []
        except (aiohttp.ClientError, OSError, TimeoutError):         # if it is not there, the offer will tell
            return []

    async def offer(self, sdp: str) -> str:
        """The server's SDP answer. Raises DeviceError when it cannot be reached, UsageError when it refuses, InputError for nonsense."""
        try:
            async with asyncio.timeout(ANSWER_WITHIN):
                return await self._post(self.url, sdp, MAX_REDIRECTS)
        except TimeoutError:
            raise DeviceError(f"{self} did not answer within {ANSWER_WITHIN} s; is the WHIP server running there?") from None
        except (aiohttp.ClientError, OSError) as error:
            said = getattr(error, "strerror", None) or str(error) or type(error).__name__
            reason = " ".join(str(said).split())[:160]
            raise DeviceError(f"cannot reach {self} ({reason}); check the URL and that the WHIP server runs") from error

    async def _post(self, url: str, sdp: str, redirects: int) -> str:
        headers = {"Content-Type": SDP, "Accept": SDP, **self._authorization()}
        async with self._http.post(url, data=sdp, headers=headers, allow_redirects=False) as response:
            if 300 <= response.status < 400:
                target = self._same_host(urljoin(url, response.headers.get("Location", "")))
                if target is None or not redirects:
                    raise UsageError(f"{self} redirects {'too often' if target else 'to another host'}; give the final URL yourself")
            else:
                return await self._answer(url, response)
        return await self._post(target, sdp, redirects - 1)

    async def _answer(self, url: str, response: aiohttp.ClientResponse) -> str:
        if response.status != HTTPStatus.CREATED:
            hint = HINTS.get(response.status, "its log may say why")
            raise UsageError(f"{self} refused the stream ({response.status} {_plain(response.reason)}); {hint}")
        if location := response.headers.get("Location"):
            self._location = self._same_host(urljoin(url, location))
            if self._location is None:
                log.warning("%s keeps the stream on another host; it is not told when the stream ends", self)
        body = await _read(response)
        if body is None or not body.startswith("v=0") or response.content_type != SDP:
            raise InputError(f"{self} answered with {response.content_type}, not with an SDP answer; is it a WHIP endpoint?")
        return body

    async def _end(self) -> None:
        if self._location is None:
            return
        with contextlib.suppress(aiohttp.ClientError, OSError, TimeoutError):    # it notices by the silence, too
            async with asyncio.timeout(GOODBYE_WITHIN):
                await self._http.delete(self._location, headers=self._authorization(), allow_redirects=False)
        self._location = None

    def _same_host(self, url: str) -> str | None:
        """`url` when it stays on the host, and off plain http where it began on https; else None."""
        here, there = urlsplit(self.url), urlsplit(url)
        safe = there.scheme == here.scheme or (here.scheme, there.scheme) == ("http", "https")
        return url if safe and there.hostname == here.hostname and "@" not in there.netloc else None

    def _authorization(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._token}"} if self._token else {}


def _split(url: str) -> tuple[str, str | None]:
    """The URL without user information, and the token that was in it."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        parts = port = None
    if parts is None or parts.scheme not in ("http", "https") or not parts.hostname or re.search(r"[\x00-\x20\x7f]", url):
        raise UsageError(f"whip:{_plain(url.rpartition('@')[2])}: expected whip:https://host/path, the WHIP URL of your streaming service")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    netloc = host if port is None else f"{host}:{port}"
    token = unquote(parts.password or parts.username or "") or None
    return urlunsplit((parts.scheme, netloc, parts.path or "/", parts.query, "")), token


async def _read(response: aiohttp.ClientResponse) -> str | None:
    """The body as text; None when it is too long or no text."""
    body = bytearray()
    async for part in response.content.iter_any():
        body += part
        if len(body) > MAX_ANSWER:
            return None
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError:
        return None


def _plain(text: str | None) -> str:
    return re.sub(r"[^\x20-\x7e]+", " ", text or "")[:80].strip()
