"""A client of limner's ZeroMQ bus in one file: it needs pyzmq, msgpack and numpy, and nothing of limner. Copy it.

    client = Client("tcp://127.0.0.1:5555", control="tcp://127.0.0.1:5556")
    while message := client.receive(1.0):
        if message.topic == "video":
            show(message.rgb())
    client.interrupt()

for `limner run --from mic --to 'zmq:tcp://127.0.0.1:5555?control=tcp://127.0.0.1:5556'`. docs/zeromq.md describes the
messages.
"""

import mmap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.shared_memory import SharedMemory
from pathlib import Path
from typing import Any

import msgpack
import numpy as np
import zmq
from numpy.typing import NDArray

VERSION = 1
TOPICS = ("video", "audio", "expression", "event")
DTYPES = {"f32": "<f4", "s16": "<i2"}


class Refused(Exception):
    """The session could not do what was asked; the message says why."""


@dataclass(frozen=True, slots=True)
class Message:
    """`header` as sent; `data` by topic: u8 picture, f32 samples in [-1, 1], f32 [58] expression row, None for events.

    A picture is I420 [H * 3/2, W], RGB [H, W, 3], BGRA [H, W, 4] or JPEG bytes [n], as header["kind"] says.
    """

    topic: str
    header: Mapping[str, Any]
    data: NDArray | None

    def rgb(self) -> NDArray[np.uint8]:
        """The picture as u8 RGB [H, W, 3] from I420 (BT.601 limited range), RGB or BGRA. Raises ValueError for JPEG."""
        kind = self.header["kind"]
        if kind == "rgb":
            return self.data
        if kind == "bgra":
            return self.data[:, :, 2::-1]
        if kind != "i420":
            raise ValueError(f"a picture of kind {kind}: decode it with the library of your choice")
        height, width = self.header["shape"]
        luma = (self.data[:height].astype(np.int32) - 16) * 76309
        chroma = self.data[height:].reshape(2, height // 2, width // 2).astype(np.int32) - 128
        u, v = chroma.repeat(2, 1).repeat(2, 2)
        parts = luma + 104597 * v, luma - 25675 * u - 53279 * v, luma + 132201 * u
        return np.stack([np.clip((part + 32768) >> 16, 0, 255) for part in parts], 2).astype(np.uint8)


class Client:
    """Listens, and commands where there is a `control` endpoint. Not for more than one thread at a time."""

    def __init__(self, endpoint: str | None = None, control: str | None = None, voice: str | None = None, *,
                 topics: Sequence[str] = TOPICS, keys: tuple[bytes, bytes, bytes] | None = None) -> None:
        """`endpoint` of `--to zmq:`, its `control` option, `voice` of `--from zmq:`; each may be left out.

        `keys`: this client's public and secret CURVE key and the server's public one.
        """
        self._context, self._keys = zmq.Context(), keys
        self.missed = 0                                  # pictures that were overwritten before they were read
        self._memory: dict[str, Any] = {}
        self._out = endpoint and self._connect(zmq.SUB, endpoint)
        self._ask = control and self._connect(zmq.REQ, control, [(zmq.REQ_RELAXED, 1), (zmq.REQ_CORRELATE, 1)])
        self._voice = voice and self._connect(zmq.PUSH, voice, [(zmq.SNDTIMEO, 1000)])
        self.commands = control is not None
        for topic in topics if endpoint else ():
            self._out.subscribe(topic)

    def _connect(self, kind: int, endpoint: str, options: Sequence[tuple[int, int]] = ()) -> zmq.Socket:
        socket = self._context.socket(kind)
        socket.linger = 0
        socket.ipv6 = "[" in endpoint
        for option, value in options:
            socket.setsockopt(option, value)
        if self._keys:
            socket.curve_publickey, socket.curve_secretkey, socket.curve_serverkey = self._keys
        socket.connect(endpoint)
        return socket

    def close(self) -> None:
        self._context.destroy(linger=0)
        self._memory.clear()

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def receive(self, timeout: float | None = None) -> Message | None:
        """The next message, or None after `timeout` seconds. Pictures whose slot was overwritten are left out."""
        while self._out.poll(None if timeout is None else round(1000 * timeout)):
            topic, header, payload = self._out.recv_multipart(copy=False)
            header = msgpack.unpackb(header.buffer)
            if header["v"] != VERSION:
                raise ValueError(f"messages of version {header['v']}; this client reads version {VERSION}")
            data = self._shared(header["shm"]) if "shm" in header else payload.buffer
            if data is not None:
                name = bytes(topic.buffer).decode()
                return Message(name, header, _array(name, header, data))
            self.missed += 1
        return None

    def _shared(self, place: Mapping[str, Any]) -> bytes | None:
        memory = self._memory.get(place["name"])
        if memory is None:
            self._memory.clear()
            memory = self._memory[place["name"]] = _open(place["name"])
        number = slice(place["offset"] - 8, place["offset"])
        whole = place["sequence"].to_bytes(8, "little")
        if memory[number] != whole:
            return None
        data = bytes(memory[place["offset"] : place["offset"] + place["size"]])
        return data if memory[number] == whole else None

    def interrupt(self) -> None:
        """Stop what is being said."""
        self.command("interrupt")

    def say(self, samples: NDArray, rate: int) -> int:
        """Queue mono speech, f32 in [-1, 1] or s16, at most 120 s; the number its "utterance" events carry."""
        kind = "s16" if samples.dtype == np.int16 else "f32"
        header = {"dtype": kind, "rate": rate}
        return self.command("say", header, np.ascontiguousarray(samples, DTYPES[kind]))["utterance"]

    def express(self, row: NDArray[np.float32] | None) -> None:
        """Add an expression, f32 [58], to the face until replaced; None takes it away."""
        if row is None:
            self.command("express_none")
        else:
            self.command("express", payload=np.ascontiguousarray(row, "<f4"))

    def avatar(self, name: str) -> None:
        """Change to another avatar; the event "avatar" tells when it is seen."""
        self.command("avatar", data={"name": name})

    def mood(self, name: str) -> None:
        """Draw in another mood, one that `status` lists, from the next picture on."""
        self.command("mood", data={"name": name})

    def record(self) -> str:
        """Begin a recording; its file's name. The event "recording" tells when it has begun, and how it ended."""
        return self.command("record")["name"]

    def record_stop(self) -> None:
        """End the recording; the event "recording" tells when the file is whole."""
        self.command("record_stop")

    def status(self) -> Mapping[str, Any]:
        """{latency_ms, pts, avatars, moods, utterances, recording}."""
        return self.command("status")

    def command(self, name: str, header: Mapping[str, Any] | None = None, payload: Any = b"", *,
                data: Mapping[str, Any] | None = None, timeout: float = 5.0) -> Mapping[str, Any]:
        """Ask and wait for the answer. Raises Refused, and TimeoutError when nobody answers."""
        whole = {"v": VERSION, "name": name, "data": data or {}, **(header or {})}
        self._ask.send_multipart([b"control", msgpack.packb(whole), payload])
        if not self._ask.poll(round(1000 * timeout)):
            raise TimeoutError(f"no answer to {name} within {timeout} s")
        answer = msgpack.unpackb(self._ask.recv_multipart()[1])
        if answer["name"] != "ok":
            raise Refused(answer["data"]["error"])
        return answer["data"]

    def speak(self, samples: NDArray[np.float32], rate: int, *, session: str = "", generation: int = 0) -> None:
        """Send live mono sound, f32, at its own pace. A higher `generation` interrupts what was sent before.

        Raises zmq.Again when the session has taken nothing for a second.
        """
        header = {"v": VERSION, "session": session, "generation": generation, "dtype": "f32", "rate": rate}
        self._voice.send_multipart([b"audio", msgpack.packb(header), np.ascontiguousarray(samples, "<f4")])


def _open(name: str) -> Any:
    """The shared memory, for reading. Where it is a file, it is opened as one: before Python 3.13 `SharedMemory` would
    delete the writer's memory when this process ends."""
    path = Path("/dev/shm") / Path(name).name
    if path.is_file():
        with path.open("rb") as file:
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    return SharedMemory(name).buf


def _array(topic: str, header: Mapping[str, Any], data: Any) -> NDArray | None:
    if topic == "event":
        return None
    if topic == "expression":
        return np.frombuffer(data, "<f4")
    if topic == "audio":
        samples = np.frombuffer(data, DTYPES[header["dtype"]])
        return samples if header["dtype"] == "f32" else samples.astype(np.float32) / 32768
    flat, (height, width) = np.frombuffer(data, np.uint8), header["shape"]
    shapes = {"i420": (height * 3 // 2, width), "rgb": (height, width, 3), "bgra": (height, width, 4), "jpeg": (-1,)}
    return flat.reshape(shapes[header["kind"]])
