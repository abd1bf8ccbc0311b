"""The ZeroMQ message layout: [topic, header (msgpack map), payload]. Pure: bytes in, values out, no socket, no clock.

The header always holds `v` (schema version), `session`, `generation` and `pts`; the rest depends on the topic. Payloads
are little-endian, C order. What does not fit, whatever it is, is a WireError; nothing is allocated before its size is
checked.

| topic        | header besides                                 | payload                                          |
| ------------ | ---------------------------------------------- | ------------------------------------------------ |
| `video`      | kind, shape [H, W], duration, drawn, may: shm  | u8, see `KINDS`; empty with shm                  |
| `audio`      | dtype "f32" or "s16", rate, start              | mono samples                                     |
| `expression` | -                                              | f32 [58]: 52 ARKit weights, then pose            |
| `event`      | name, data (a map of plain values)             | empty                                            |
| `control`    | name (see `CONTROLS`), data; "say": as audio   | "say": samples, "express": f32 [58], else empty  |
| `reply`      | name "ok" or "error", data                     | empty                                            |

`shm` {name, offset, size, sequence} says where a picture lies in shared memory (see `slots`). `times` in any header maps
a stage's name to its monotonic nanoseconds on the sender ("captured", "sent"): on one machine their differences are
per-stage delays.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgpack
import numpy as np
from numpy.typing import NDArray

from limner.engine.errors import InputError
from limner.engine.types import EXPRESSION_ROW, AudioChunk, Expression, Picture

from .audio import RATES, to_float
from .slots import Slot

VERSION = 1
MAX_HEADER = 4096                    # bytes
MAX_SIDE = 4096                      # px
MAX_SECONDS = 10                     # of sound in one message
MAX_SPEECH = 120                     # s in one "say"
CONTROLS = ("interrupt", "express_none", "express", "say", "avatar", "mood", "record", "record_stop", "status")
DTYPES = {"f32": np.dtype("<f4"), "s16": np.dtype("<i2")}
# Bytes of a picture: fixed per pixel, except for JPEG, which is at most as large as raw.
KINDS = {"i420": 1.5, "rgb": 3, "bgra": 4, "jpeg": 3}
Part = bytes | memoryview | np.ndarray


class WireError(InputError):
    """A message that does not follow the layout."""


@dataclass(frozen=True, slots=True)
class Image:
    """A picture in another form than a Picture's I420: `data` is u8 [H, W, 3] RGB, [H, W, 4] BGRA (straight alpha, 255
    where there is none) or JPEG bytes as u8 [n], by `kind`. With `slot`, of any kind, the bytes are there and `data` is
    empty."""

    kind: str
    data: NDArray[np.uint8]
    size: tuple[int, int]
    pts: int
    captured_ns: int
    duration: int = 0
    drawn: str = "key"
    generation: int = 0
    slot: Slot | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened (out), is asked for (in, topic `control`) or is answered (topic `reply`).

    `body` is what "say" and "express" bring with them.
    """

    name: str
    data: Mapping[str, Any] = field(default_factory=dict)
    pts: int = 0
    body: AudioChunk | Expression | None = None


@dataclass(frozen=True, slots=True)
class Message:
    """One message understood. `body` is an AudioChunk, Picture, Image, Expression or Event according to `topic`."""

    topic: str
    body: AudioChunk | Picture | Image | Expression | Event
    session: str = ""
    generation: int = 0
    times: Mapping[str, int] = field(default_factory=dict)


def pack(topic: str, body: Any, *, session: str = "", generation: int = 0, times: Mapping[str, int] | None = None) -> list[Part]:
    """A message's three parts; sound goes as f32. The payload shares memory with `body`."""
    header, payload = _PACK[topic](body)
    header |= {"v": VERSION, "session": session, "generation": generation, "pts": body.pts, "times": dict(times or {})}
    return [topic.encode(), msgpack.packb(header), payload]


def _pack_video(picture: Picture | Image) -> tuple[dict, Part]:
    header = {"kind": "i420", "shape": list(picture.size), "duration": picture.duration, "drawn": picture.drawn}
    if isinstance(picture, Picture):
        return header, picture.planes
    header["kind"] = picture.kind
    if picture.slot:
        header["shm"] = {name: getattr(picture.slot, name) for name in ("name", "offset", "size", "sequence")}
    return header, picture.data


def _pack_audio(chunk: AudioChunk) -> tuple[dict, Part]:
    samples = np.ascontiguousarray(chunk.samples, DTYPES["f32"])
    return {"dtype": "f32", "rate": chunk.rate, "start": chunk.start}, samples


def _pack_expression(expression: Expression) -> tuple[dict, Part]:
    return {}, expression.row().astype("<f4")


def _pack_event(event: Event) -> tuple[dict, Part]:
    kinds = {AudioChunk: _pack_audio, Expression: _pack_expression}
    header, payload = kinds[type(event.body)](event.body) if event.body is not None else ({}, b"")
    return header | {"name": event.name, "data": dict(event.data)}, payload


_PACK = {"video": _pack_video, "audio": _pack_audio, "expression": _pack_expression, "event": _pack_event,
         "control": _pack_event, "reply": _pack_event}


def unpack(parts: Sequence[Part]) -> Message:
    """The message that `parts` are. Raises WireError, and nothing else, for anything else."""
    if len(parts) != 3:
        raise WireError(f"a message of {len(parts)} parts; expected 3: topic, header, payload")
    topic = bytes(memoryview(parts[0])[:64]).decode("ascii", "replace")
    if topic not in _UNPACK:
        raise WireError(f"topic {topic!r}; expected one of {', '.join(_UNPACK)}")
    header = _header(memoryview(parts[1]))
    body = _UNPACK[topic](header, memoryview(parts[2]).cast("B"))
    times = {k: v for k, v in header.get("times", {}).items() if isinstance(k, str) and type(v) is int}
    return Message(topic, body, header["session"], header["generation"], times)


def _header(data: memoryview) -> dict[str, Any]:
    if data.nbytes > MAX_HEADER:
        raise WireError(f"a header of {data.nbytes} bytes; at most {MAX_HEADER} are read")
    try:
        header = msgpack.unpackb(data)
    except Exception as error:       # msgpack raises a dozen types for malformed input, ValueError and its own among them
        raise WireError(f"a header that is no msgpack ({type(error).__name__})") from error
    if not isinstance(header, dict) or header.get("v") != VERSION:
        found = header.get("v") if isinstance(header, dict) else type(header).__name__
        raise WireError(f"header version {found!r}; this limner speaks version {VERSION}")
    for name, default in (("session", ""), ("generation", 0), ("pts", 0), ("times", {})):
        _typed(header, name, type(default), default)
    _between(header, "generation", 0, 2**62)
    _between(header, "pts", -2**62, 2**62)
    return header


def _typed(header: dict[str, Any], name: str, kind: type, default: Any = None) -> Any:
    value = header.setdefault(name, default)
    if type(value) is not kind:
        raise WireError(f"header field {name!r} is {value!r:.40}; expected {kind.__name__}")
    return value


def _between(header: dict[str, Any], name: str, low: int, high: int) -> int:
    value = _typed(header, name, int)
    if not low <= value <= high:
        raise WireError(f"header field {name!r} is {value}; expected {low} to {high}")
    return value


def _array(payload: memoryview, dtype: np.dtype, count: int | None = None) -> np.ndarray:
    if payload.nbytes % dtype.itemsize or (count is not None and payload.nbytes != count * dtype.itemsize):
        raise WireError(f"a payload of {payload.nbytes} bytes; expected {'whole samples' if count is None else count * dtype.itemsize}")
    return np.frombuffer(payload, dtype)


def _unpack_video(header: dict[str, Any], payload: memoryview) -> Picture | Image:
    kind, (height, width), slot = header.get("kind"), _shape(header), _slot(header)
    if not isinstance(kind, str) or kind not in KINDS:
        raise WireError(f"pictures of kind {kind!r:.20}; expected {', '.join(KINDS)}")
    drawn = header.get("drawn", "key")
    if drawn not in ("key", "between", "repeat"):
        raise WireError(f"header field 'drawn' is {drawn!r:.20}; expected key, between or repeat")
    header.setdefault("duration", 0)
    rest = ((height, width), header["pts"], _captured(header), _between(header, "duration", 0, 2**31), drawn, header["generation"])
    most = int(height * width * KINDS[kind])
    if slot or kind == "jpeg":
        if max(payload.nbytes, slot.size if slot else 0) > most:
            raise WireError(f"a picture of more than {most} bytes; expected no more at {height} x {width}")
        return Image(kind, _array(payload, np.dtype("u1"), 0 if slot else None), *rest, slot)
    pixels = _array(payload, np.dtype("u1"), most)
    if kind == "i420":
        return Picture(pixels.reshape(height * 3 // 2, width), *rest)
    return Image(kind, pixels.reshape(height, width, -1), *rest)


def _shape(header: dict[str, Any]) -> tuple[int, int]:
    shape = _typed(header, "shape", list)
    if len(shape) != 2 or not all(type(side) is int and 2 <= side <= MAX_SIDE and side % 2 == 0 for side in shape):
        raise WireError(f"pictures of shape {shape!r:.40}; expected [H, W], even, at most {MAX_SIDE}")
    return shape[0], shape[1]


def _slot(header: dict[str, Any]) -> Slot | None:
    if "shm" not in header:
        return None
    place = _typed(header, "shm", dict)
    return Slot(_typed(place, "name", str), *(_between(place, name, 0, 2**62) for name in ("offset", "size", "sequence")))


def _unpack_audio(header: dict[str, Any], payload: memoryview, seconds: int = MAX_SECONDS) -> AudioChunk:
    rate = _between(header, "rate", *RATES)
    dtype = DTYPES.get(_typed(header, "dtype", str))
    if dtype is None:
        raise WireError(f"sound of type {header['dtype']!r:.20}; expected {' or '.join(DTYPES)}")
    if payload.nbytes > seconds * rate * dtype.itemsize:
        raise WireError(f"sound of {payload.nbytes} bytes in one message; at most {seconds} s are read")
    header.setdefault("start", 0)
    samples = to_float(_array(payload, dtype))
    return AudioChunk(samples, rate, _between(header, "start", 0, 2**62), header["pts"], _captured(header), header["generation"])


def _unpack_expression(header: dict[str, Any], payload: memoryview) -> Expression:
    row = _array(payload, np.dtype("<f4"), EXPRESSION_ROW)
    if not np.isfinite(row).all() or np.abs(row).max() > 10:
        raise WireError("an expression with NaN, infinity or values beyond 10; expected weights in [0, 1] and a pose in radians")
    return Expression.from_row(row, header["pts"])


def _unpack_event(header: dict[str, Any], payload: memoryview) -> Event:
    if payload.nbytes:
        raise WireError(f"an event with a payload of {payload.nbytes} bytes; expected none")
    return Event(_typed(header, "name", str), _typed(header, "data", dict, {}), header["pts"])


def _unpack_control(header: dict[str, Any], payload: memoryview) -> Event:
    name, data = _typed(header, "name", str), _typed(header, "data", dict, {})
    if name not in CONTROLS:
        raise WireError(f"control {name!r:.40}; expected {' or '.join(CONTROLS)}")
    if name == "say":
        return Event(name, data, header["pts"], _unpack_audio(header, payload, MAX_SPEECH))
    if name == "express":
        return Event(name, data, header["pts"], _unpack_expression(header, payload))
    return _unpack_event(header, payload)


def _captured(header: dict[str, Any]) -> int:
    captured = header["times"].get("captured", 0)
    return captured if type(captured) is int else 0


_UNPACK = {"video": _unpack_video, "audio": _unpack_audio, "expression": _unpack_expression, "event": _unpack_event,
           "control": _unpack_control, "reply": _unpack_event}
