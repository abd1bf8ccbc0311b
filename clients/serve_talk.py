"""SDP over HTTP: `/talk` (microphone up, avatar down), `/whip` (RFC 9725: sound in), `/whep` (avatar out).

All three answer an offer with 201, `Location`, `ETag`, a `Link` for each ICE server and an SDP answer that holds every
candidate; PATCH on the
location adds the peer's later candidates, DELETE ends.
"""

import math
import secrets
from collections import deque

from aiohttp import web
from multidict import CIMultiDict

from limner.engine.clock import Clock
from limner.engine.errors import UsageError
from limner.models.backdrop import parse
from limner.streams.icelinks import IceServer, link
from limner.streams.peer import Peer, check_offer

from .options import MOODS, RATES, SIZES
from .serve_avatars import Gallery
from .serve_limits import MAX_SDP_BODY, read_body
from .serve_sessions import Live, Sessions

SDP = "application/sdp"
FRAGMENT = "application/trickle-ice-sdpfrag"
REMEMBERED = 256              # connections


class Talk:
    """The three endpoints over one registry of sessions."""

    def __init__(self, sessions: Sessions, gallery: Gallery, clock: Clock, *, fps: int, size: int,
                 ice_servers: tuple[IceServer, ...] = (), private: bool = True, listen: bool = False) -> None:
        """`fps` and `size` are what a peer gets that names none. `private` sessions are watched by who knows their id only.
        With `listen` a talker's microphone is whom the avatar listens to, not its own voice.
        """
        self._sessions, self._gallery, self._clock, self._ice = sessions, gallery, clock, ice_servers
        self._fps, self._size, self._private, self._listen = fps, size, private, listen
        self._etags: dict[str, str] = {}
        self._named: deque[str] = deque(maxlen=REMEMBERED)     # connections whose end nobody has asked for yet

    def routes(self) -> list[web.RouteDef]:
        found = []
        for path, opened in (("/talk", self.talk), ("/whip", self.whip), ("/whep", self.whep)):
            found += [web.post(path, opened), web.patch(path + "/{id}", self.trickle), web.delete(path + "/{id}", self.end)]
        return found

    async def talk(self, request: web.Request) -> web.Response:
        """A session of one's own: microphone up, avatar down. `?avatar=&fps=&size=&background=&mood=&liveliness=` choose the face.

        With `?listen=1` the microphone does not speak through the face: the avatar listens to it.
        """
        offer = await self._offer(request, sees=True)
        live = await self._open(request)
        converses = request.query.get("listen", str(int(self._listen))) == "1"
        return await self._answer(request, offer, live, sees=True, hears=True, converses=converses)

    async def whip(self, request: web.Request) -> web.Response:
        """Sound in: the peer's voice drives `?session=ID`, or a session that everybody can watch by `/whep`."""
        offer = await self._offer(request, sees=False)
        live = await self._shared(request)
        return await self._answer(request, offer, live, sees=False, hears=True)

    async def whep(self, request: web.Request) -> web.Response:
        """Avatar out: of `?session=ID`, of the `newest` one, or the shared one of this face; one encode serves all its viewers.

        With `?alpha=1` pictures are twice as high, their opacity as grey below.
        """
        offer = await self._offer(request, sees=True)
        live = await self._shared(request)
        return await self._answer(request, offer, live, sees=True, hears=False)

    async def trickle(self, request: web.Request) -> web.Response:
        peer_id, peer = self._peer(request)
        if request.content_type != FRAGMENT:
            raise web.HTTPUnsupportedMediaType(text=f"the body is {request.content_type}; send {FRAGMENT}")
        if request.headers.get("If-Match", "*") not in ("*", self._etags.get(peer_id)):
            raise web.HTTPPreconditionFailed(text="If-Match names another ICE session; ICE restarts are not taken, connect again")
        fragment = await read_body(request, MAX_SDP_BODY, "the ICE fragment")
        await peer.add_candidates(_text(fragment))
        return web.Response(status=204)

    async def end(self, request: web.Request) -> web.Response:
        """200 for a connection that has just ended by itself, too: clients close theirs first and then say so here."""
        peer_id = request.match_info["id"]
        if peer_id in self._named:
            self._named.remove(peer_id)
        else:
            self._peer(request)
        if peer := self._sessions.find_peer(peer_id):
            await peer.close()
        self._etags.pop(peer_id, None)
        return web.json_response({})

    async def _offer(self, request: web.Request, *, sees: bool) -> str:
        if request.content_type != SDP:
            raise web.HTTPUnsupportedMediaType(text=f"the body is {request.content_type}; send an SDP offer as {SDP}")
        offer = _text(await read_body(request, MAX_SDP_BODY, "the SDP offer"))
        check_offer(offer, sees=sees)
        return offer

    async def _shared(self, request: web.Request) -> Live:
        if request.query.get("session") == "newest":
            if self._private:
                raise UsageError("this server is open to other machines: name the session, ?session=ID")
            return self._sessions.newest()
        if "session" in request.query:
            return self._sessions.find(request.query["session"])
        return await self._open(request, shared=True)

    async def _open(self, request: web.Request, *, shared: bool = False) -> Live:
        avatar = await self._gallery.get(request.query.get("avatar"))
        fps, size = _number(request, "fps", self._fps, RATES), _number(request, "size", self._size, SIZES)
        background = request.query.get("background")
        if background is not None:
            parse(background, files=False)                   # a caller names no files of the server's
        return await self._sessions.open(avatar, fps, size, background=background, mood=_mood(request),
                                         liveliness=_liveliness(request), shared=shared)

    async def _answer(self, request: web.Request, offer: str, live: Live, *, sees: bool, hears: bool,
                      converses: bool = False) -> web.Response:
        viewer = live.sink.viewer(alpha=request.query.get("alpha") == "1") if sees else None
        peer = Peer(viewer, hears=hears, clock=self._clock, ice_servers=self._ice,
                    on_message=lambda message: _obey(live, message))
        peer_id = self._sessions.join(live, peer, converses=converses)       # first: a refused offer then ends the session it opened
        answer = await peer.answer(offer)
        self._etags = {known: tag for known, tag in self._etags.items() if self._sessions.find_peer(known)}
        self._etags[peer_id] = f'"{secrets.token_urlsafe(9)}"'
        self._named.append(peer_id)
        headers = CIMultiDict({"Location": f"{request.path}/{peer_id}", "ETag": self._etags[peer_id], "Accept-Patch": FRAGMENT,
                               "Limner-Session": live.id})
        headers.extend(("Link", link(server)) for server in self._ice)
        return web.Response(status=201, text=answer, content_type=SDP, headers=headers)

    def _peer(self, request: web.Request) -> tuple[str, Peer]:
        peer_id = request.match_info["id"]
        peer = self._sessions.find_peer(peer_id)
        if peer is None:
            raise web.HTTPNotFound(text="no such connection; it has ended or never was")
        return peer_id, peer


def _obey(live: Live, message: dict) -> None:
    """A page's message over its data channel; quicker than a request."""
    if message.get("interrupt") is True:
        live.session.interrupt()


def _number(request: web.Request, name: str, default: int, allowed: tuple[int, ...]) -> int:
    text = request.query.get(name, str(default))
    if not text.isascii() or not text.isdigit() or int(text[:9]) not in allowed:
        raise UsageError(f"{name}={text[:20]!r}: expected one of {', '.join(map(str, allowed))}")
    return int(text)


def _mood(request: web.Request) -> str | None:
    mood = request.query.get("mood")
    if mood is not None and mood not in MOODS:
        raise UsageError(f"mood={mood[:20]!r}: expected one of {', '.join(MOODS)}")
    return mood


def _liveliness(request: web.Request) -> float | None:
    text = request.query.get("liveliness")
    if text is None:
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value <= 1:                                  # NaN is not either
        raise UsageError(f"liveliness={text[:20]!r}: expected a number from 0 (still) to 1 (natural)")
    return value


def _text(body: bytes) -> str:
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError:
        raise UsageError("the body is not UTF-8 text") from None
