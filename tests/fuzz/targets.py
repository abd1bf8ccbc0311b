"""Every door that takes bytes from strangers, as functions of bytes: each either works or raises its own kind of error."""

import io
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from limner.clients.options import make_options
from limner.engine.config import load_settings
from limner.engine.errors import LimnerError
from limner.engine.types import AudioChunk, Expression
from limner.models.avatar import load_avatar
from limner.models.picture import read_image
from limner.streams.icelinks import parse as parse_links
from limner.streams.media import decode_mono
from limner.streams.peer import check_offer, parse_fragment, read_message
from limner.streams.sources.websocket import parse_command, parse_hello
from limner.streams.wire import Event, pack, unpack
from tests.streams.mp4_reader import plain
from tests.streams.sounds import encoded, tone, wav
from tests.streams.test_peer import OFFER

SECONDS = 10           # of sound decoded from one input


def wire(data: bytes) -> None:
    """The three parts are told apart by two length bytes."""
    first, second = (data[0] % 16, int.from_bytes(data[1:3], "big") % 5000) if len(data) > 2 else (0, 0)
    rest = data[3:]
    unpack([rest[:first], rest[first : first + second], rest[first + second :]])


def offer(data: bytes) -> None:
    text = data.decode("utf-8", "replace")
    check_offer(text, sees=True)


def trickle(data: bytes) -> None:
    parse_fragment(data.decode("utf-8", "replace"))


def links(data: bytes) -> None:
    parse_links(data.decode("utf-8", "replace").split("\n"))


def message(data: bytes) -> None:
    """What a peer says over its data channel, and a program over its WebSocket."""
    text = data.decode("utf-8", "replace")
    assert isinstance(read_message(data), dict | None) and isinstance(read_message(text), dict | None)
    for read in (parse_hello, parse_command):
        quietly(lambda: read(text))  # noqa: B023 - called at once


def avatar(data: bytes) -> None:
    load_avatar(data)


def image(data: bytes) -> None:
    pixels = read_image(data)
    assert pixels.dtype == np.uint8 and pixels.ndim == 3 and pixels.shape[2] == 3


def sound(data: bytes) -> None:
    heard = 0
    for part in decode_mono(io.BytesIO(data)):
        assert part.dtype == np.float32 and np.isfinite(part).all()
        heard += len(part)
        if heard > SECONDS * 16_000:
            return


def config(data: bytes) -> None:
    """A configuration file of the command line, then the same bytes as the engine's settings."""
    path = Path(tempfile.gettempdir()) / f"limner-fuzz-{os.getpid()}.toml"
    path.write_bytes(data)
    for read in (lambda: make_options({}, path), lambda: load_settings(path)):
        quietly(read)


def quietly(call: Callable[[], object]) -> None:
    """Errors a user may meet are answers, in one line; anything else is a finding."""
    try:
        call()
    except LimnerError as error:
        assert str(error) and "\n" not in str(error), f"not one line: {error!r}"


TARGETS: dict[str, Callable[[bytes], None]] = {
    "wire": wire, "offer": offer, "trickle": trickle, "links": links, "message": message, "avatar": avatar, "image": image, "sound": sound, "config": config,
}


def seeds(target: str) -> list[bytes]:
    """Good inputs to begin from."""
    return _SEEDS[target]()


def _wire() -> list[bytes]:
    bodies = [("video", plain(0, (16, 16))), ("audio", AudioChunk(tone(0.01), 16_000, 0, 0, 0)),
              ("expression", Expression.from_row(np.zeros(58, np.float32), 0)), ("event", Event("speak", {"a": 1})),
              ("control", Event("interrupt"))]
    found = []
    for name, body in bodies:
        topic, header, payload = (bytes(memoryview(part).cast("B") if len(part) else b"") for part in pack(name, body))
        found.append(bytes([len(topic)]) + len(header).to_bytes(2, "big") + topic + header + payload)
    return found


def _images() -> list[bytes]:
    found = []
    for kind, mode in (("PNG", "RGB"), ("PNG", "I;16"), ("JPEG", "RGB"), ("JPEG", "CMYK"), ("WEBP", "RGBA"), ("GIF", "P"), ("TIFF", "L"),
                       ("BMP", "RGB")):
        out = io.BytesIO()
        Image.new(mode, (20, 20)).save(out, kind)
        found.append(out.getvalue())
    return found


def _avatars() -> list[bytes]:
    import zipfile

    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("portrait.png", "background.png", "mask.png", "geometry.npz"):
            archive.writestr(name, b"")
        archive.writestr("manifest.json", '{"format": "limner-avatar", "version": 1, "name": "a", "size": 128}')
    return [out.getvalue()]


def _sounds() -> list[bytes]:
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        files = [wav(place / "a.wav", tone(0.1)), encoded(place / "a.mp3", "libmp3lame", tone(0.2, 44_100), 44_100),
                 encoded(place / "a.mp4", "aac", tone(0.2, 48_000), 48_000), encoded(place / "a.ogg", "libopus", tone(0.2, 48_000), 48_000),
                 encoded(place / "a.flac", "flac", tone(0.1), 16_000)]
        return [file.read_bytes() for file in files]


_SEEDS = {
    "message": lambda: [b'{"interrupt": true}', b'{"rate": 16000, "channels": 2, "live": true}', b'{"type": "say-end"}', b'[[[1, {"a": null}]]]'],
    "links": lambda: [b'<stun:a>; rel="ice-server", <turn:b?transport=tcp>; rel=ice-server; username="u"; credential="a\\"b"'],
    "wire": _wire, "offer": lambda: [OFFER.replace("\n", "\r\n").encode()], "image": _images, "avatar": _avatars, "sound": _sounds,
    "trickle": lambda: [b"a=ice-ufrag:x\r\na=mid:0\r\na=candidate:1 1 UDP 2122252543 127.0.0.1 40000 typ host\r\na=end-of-candidates\r\n"],
    "config": lambda: [b'fps = 25\nsize = 512\nmood = "warm"\n', b"[session]\nfps = 30\ncap_ms = 250\n"],
}
