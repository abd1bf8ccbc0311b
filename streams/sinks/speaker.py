"""Plays the session's delayed sound on an output device: a loudspeaker, or the cable a virtual microphone hangs on.

A virtual camera carries no sound. Beside it, `speaker:NAME` gives the voice to a device that other programs take for a
microphone: a null sink on Linux, a virtual cable elsewhere. It is handed over with the pictures, so face and voice
leave together; the device adds its own buffer, `latency`.

The device has its own crystal. Sound is never stretched: a pause is shortened when more than `TOP` waits, and lengthened
when less than one chunk does; only a device that stops altogether loses speech, which `lost` counts.
"""

import asyncio
import contextlib
import os
import shutil
import subprocess
import threading
from collections import deque
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from limner.engine.clock import SAMPLE_RATE
from limner.engine.errors import DeviceError, MissingPackage
from limner.engine.types import AudioChunk, Picture
from limner.streams.sources.microphone import portaudio

CHUNK = SAMPLE_RATE // 50
FILL = 2 * CHUNK                   # samples that wait before the device gets any: one chunk may then be 20 ms late
TOP = 4 * CHUNK
LIMIT = SAMPLE_RATE // 2           # beyond it the oldest goes: the device stands still
QUIET = 0.003                      # peak of a chunk that is a pause: -50 dBFS
MAKE_ONE = ("pactl load-module module-null-sink sink_name={0} && "
            "pactl load-module module-remap-source source_name={0}-mic master={0}.monitor")


class Jitter:
    """Samples between the session, which `put`s chunks, and the device, which `take`s blocks. Two threads."""

    def __init__(self) -> None:
        self._parts: deque[NDArray[np.float32]] = deque()
        self._held, self._filling, self._lock = 0, True, threading.Lock()
        self.lost = self.shortened = self.silent = 0       # samples dropped, left out of pauses, given as silence

    def put(self, samples: NDArray[np.float32]) -> None:
        """Append f32 [n]."""
        with self._lock:
            quiet = not len(samples) or np.abs(samples).max() < QUIET
            if quiet and self._held > TOP:
                self.shortened += len(samples)
                return
            # In a pause there is time to make up for what runs short.
            copies = 2 if quiet and not self._filling and self._held < CHUNK else 1
            self._parts.extend([samples] * copies)
            self._held += copies * len(samples)
            while self._held > LIMIT:
                self.lost += len(self._parts[0])
                self._held -= len(self._parts.popleft())
            self._filling = self._filling and self._held < FILL

    def take(self, count: int) -> NDArray[np.float32]:
        """`count` samples, silence where there are none."""
        out = np.zeros(count, np.float32)
        with self._lock:
            at = 0
            while at < count and self._parts and not self._filling:
                part = self._parts.popleft()
                piece = part[: count - at]
                out[at : at + len(piece)] = piece
                at += len(piece)
                if len(part) > len(piece):
                    self._parts.appendleft(part[len(piece) :])
            self._held -= at
            self.silent += count - at
            self._filling = self._filling or not self._held
        return out


class Speaker:
    """AVSink that plays. `latency` is the device's own buffer in s once it is open."""

    def __init__(self, device: str | None = None, *, backend: Any = None) -> None:
        """`device`: index or part of a PortAudio name, or a PulseAudio/PipeWire sink; `backend`: a sounddevice-like
        module. Raises MissingPackage.
        """
        self._name, self._sd = device, backend or _portaudio()
        self.jitter, self.latency = Jitter(), 0.0
        self._stream: Any = None

    async def __aenter__(self) -> Self:
        """Raises DeviceError when there is no such device or it cannot be opened."""
        await asyncio.to_thread(self._open)
        return self

    def _open(self) -> None:
        index, label = find_output(self._sd, self._name)
        native = round(self._sd.query_devices(index)["default_samplerate"])
        refused: Exception | None = None
        for rate in dict.fromkeys((SAMPLE_RATE, native)):
            try:
                self._rate = rate
                self._stream = self._sd.OutputStream(device=index, samplerate=rate, channels=1, dtype="float32",
                                                     latency="low", callback=self._callback)
                self._stream.start()
                self.latency = self._stream.latency
                return
            except self._sd.PortAudioError as error:
                refused = error
                self._close()
        raise DeviceError(f"speaker {label!r} cannot be opened ({refused}); choose another with speaker:NAME") from refused

    def _callback(self, out: NDArray[np.float32], frames: int, moment: Any, status: Any) -> None:
        if self._rate == SAMPLE_RATE:
            out[:, 0] = self.jitter.take(frames)
            return
        taken = self.jitter.take(max(1, round(frames * SAMPLE_RATE / self._rate)))
        out[:, 0] = np.interp(np.arange(frames) * len(taken) / frames, np.arange(len(taken)), taken)

    def _close(self) -> None:
        if self._stream is not None:
            with contextlib.suppress(self._sd.PortAudioError):
                self._stream.abort()
                self._stream.close()
            self._stream = None

    async def __aexit__(self, *exc: object) -> None:
        await asyncio.to_thread(self._close)

    async def show(self, picture: Picture) -> None:
        """A loudspeaker shows nothing."""

    async def play(self, chunk: AudioChunk) -> None:
        self.jitter.put(chunk.samples)


def find_output(backend: Any, name: str | None) -> tuple[int, str]:
    """The default device, the first whose index or part of whose name is `name`, or the sound server's sink of that
    name. Raises DeviceError.
    """
    devices = {i: d["name"] for i, d in enumerate(backend.query_devices()) if d["max_output_channels"] > 0}
    if not devices:
        raise DeviceError("no loudspeaker: PortAudio sees no output device; plug one in, or start a sound server (Linux: "
                          "pulseaudio or pipewire with libasound2-plugins)")
    if not name:
        default = backend.default.device[1]
        index = default if default in devices else next(iter(devices))
        return index, devices[index]
    server = next((i for i, label in devices.items() if label in ("pulse", "pipewire")), None)
    if name in (sinks := server_sinks()) and server is not None:
        os.environ["PULSE_SINK"] = name                  # read by the sound server's ALSA plugin when it opens
        return server, name
    for index, label in devices.items():
        if name == str(index) or name.lower() in label.lower():
            return index, label
    known = ", ".join([*(f"{i} {label}" for i, label in devices.items()), *sinks])
    hint = f"; a virtual microphone: {MAKE_ONE.format(name)}" if shutil.which("pactl") and name.isidentifier() else ""
    raise DeviceError(f"no loudspeaker is called {name!r}; there are: {known}{hint}")


def server_sinks() -> list[str]:
    """Names of PulseAudio's or PipeWire's sinks; none without a sound server."""
    if not (pactl := shutil.which("pactl")):
        return []
    try:
        asked = subprocess.run([pactl, "list", "short", "sinks"], capture_output=True, text=True, timeout=5, check=True)
    except (OSError, subprocess.SubprocessError):
        return []
    return [line.split("\t")[1] for line in asked.stdout.splitlines() if line.count("\t")]


def _portaudio() -> Any:
    try:
        return portaudio()
    except MissingPackage as error:
        raise MissingPackage(str(error).replace("the microphone needs", "the speaker needs")) from error


def create(argument: str = "", *, size: tuple[int, int], fps: int) -> Speaker:
    """Registry entry: `argument` is empty, an index, part of a device's name, or a sound server's sink."""
    return Speaker(argument or None)
