"""The portraits a visitor can choose: the bundled ones, and those brought along, rigged here and kept in memory."""

import asyncio
import io
import secrets
from collections import OrderedDict
from collections.abc import Callable

from aiohttp import web
from PIL import Image

from limner.engine.errors import UsageError
from limner.models.avatar import Avatar, bundled_avatars, load_avatar
from limner.models.portrait import make_avatar, read_image

from .serve_limits import MAX_PORTRAIT, read_body

KEPT = 16                     # uploaded avatars; the least recently used one goes first
THUMBNAIL = 256               # px


def rig(data: bytes, name: str) -> Avatar:
    """An avatar from the bytes of a picture or of an `.avatar` pack. Raises the errors of whichever it is."""
    if data[:2] == b"PK":
        return load_avatar(data)
    return make_avatar(read_image(data, alpha=True), name=name)


class Gallery:
    """Avatars by name. An uploaded one gets an unguessable name and is listed to nobody: who sent it knows it."""

    def __init__(self, chosen: Avatar | None = None, make: Callable[[bytes, str], Avatar] = rig) -> None:
        """`chosen` is the server's own avatar, if it was started with one; it stands first."""
        self._make = make
        self._chosen = chosen
        self._uploads: OrderedDict[str, Avatar] = OrderedDict()
        self._bundled: dict[str, Avatar] = {}
        self._thumbnails: dict[str, bytes] = {}
        self._one_at_a_time = asyncio.Lock()

    def names(self) -> list[str]:
        """Public names, the default first."""
        own = [self._chosen.name] if self._chosen else []
        return own + [name for name in bundled_avatars() if name not in own]

    async def get(self, name: str | None) -> Avatar:
        """Raises UsageError for a name that is not here."""
        name = name or self.names()[0]
        if self._chosen and name == self._chosen.name:
            return self._chosen
        if name in self._uploads:
            self._uploads.move_to_end(name)
            return self._uploads[name]
        if name not in bundled_avatars():
            raise UsageError(f"no avatar is called {name[:80]!r}; choose one of: {', '.join(self.names())}")
        if name not in self._bundled:
            self._bundled[name] = await asyncio.to_thread(load_avatar, name)
        return self._bundled[name]

    async def add(self, data: bytes, title: str) -> str:
        """Rig a picture or take a pack; its name. One at a time, so that uploads cannot starve the sessions."""
        async with self._one_at_a_time:
            avatar = await asyncio.to_thread(self._make, data, title)
        name = f"own-{secrets.token_urlsafe(12)}"
        self._uploads[name] = avatar
        while len(self._uploads) > KEPT:
            gone, _ = self._uploads.popitem(last=False)
            self._thumbnails.pop(gone, None)
        return name

    async def thumbnail(self, name: str) -> bytes:
        """A small JPEG of the portrait."""
        if name not in self._thumbnails:
            avatar = await self.get(name)
            self._thumbnails[name] = await asyncio.to_thread(_jpeg, avatar)
        return self._thumbnails[name]

    async def describe(self, name: str) -> dict:
        avatar = await self.get(name)
        return {"name": name, "title": avatar.name, "licence": avatar.licence, "notes": avatar.meta.get("notes", []),
                "thumbnail": f"/avatars/{name}/portrait.jpg"}


def _jpeg(avatar: Avatar) -> bytes:
    image = Image.fromarray(avatar.portrait.image)
    image.thumbnail((THUMBNAIL, THUMBNAIL))
    out = io.BytesIO()
    image.save(out, "JPEG", quality=88)
    return out.getvalue()


def routes(gallery: Gallery) -> list[web.RouteDef]:
    """GET /avatars, POST /avatars, GET /avatars/NAME/portrait.jpg."""

    async def listed(request: web.Request) -> web.Response:
        return web.json_response([await gallery.describe(name) for name in gallery.names()])

    async def added(request: web.Request) -> web.Response:
        data = await read_body(request, MAX_PORTRAIT, "the portrait")
        if not data:
            raise UsageError("the body is empty; send a picture (JPEG, PNG, WebP) or an .avatar file")
        name = await gallery.add(data, request.query.get("title", "portrait")[:64] or "portrait")
        return web.json_response(await gallery.describe(name), status=201)

    async def portrait(request: web.Request) -> web.Response:
        data = await gallery.thumbnail(request.match_info["name"])
        return web.Response(body=data, content_type="image/jpeg", headers={"Cache-Control": "private, max-age=3600"})

    return [web.get("/avatars", listed), web.post("/avatars", added), web.get("/avatars/{name}/portrait.jpg", portrait)]
