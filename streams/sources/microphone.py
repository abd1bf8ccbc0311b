"""A microphone by PortAudio, in 10 ms blocks, that survives being stalled and unplugged.

PortAudio's callback thread only copies a block into a bounded queue; everything else happens on the loop. The sample
count keeps to the clock: while the device gives nothing, silence is sent in its place (`lost` counts it), the stream
is opened again, and only after `GIVE_UP` without a single block does the source raise DeviceError.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator
from types import ModuleType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from limner.engine.clock import SAMPLE_RATE, TICKS_PER_MS, Clock, samples_from_ticks, ticks_from_samples
from limner.engine.errors import DeviceError, MissingPackage
from limner.engine.types import AudioChunk
from limner.streams.audio import Resampler, mix_down

BLOCK_MS = 10
QUEUE = 200                            # blocks (2 s) between the callback and the loop; then the oldest goes, counted
WATCHDOG = 300 * TICKS_PER_MS          # without a callback: PulseAudio and some USB devices stall without an error
RETRY = 2000 * TICKS_PER_MS            # from one opening to the next: a Bluetooth headset needs a second to start
GIVE_UP = 15_000 * TICKS_PER_MS        # without any sound
CHECK = 100 * TICKS_PER_MS
NS_PER_S = 1_000_000_000


def portaudio() -> ModuleType:
    """The sounddevice module. Raises MissingPackage when it or the PortAudio library is not installed."""
    try:
        import sounddevice
    except ModuleNotFoundError as error:
        raise MissingPackage("the microphone needs the package sounddevice; install it: pip install 'limner[mic]'") from error
    except OSError as error:
        raise MissingPackage("the microphone needs the PortAudio library; install it: apt install libportaudio2 "
                             "(Debian, Ubuntu), brew install portaudio (macOS)") from error
    return sounddevice


def input_devices(backend: Any) -> dict[int, dict]:
    """PortAudio's devices that can record, by index."""
    return {i: d for i, d in enumerate(backend.query_devices()) if d["max_input_channels"] > 0}


def find_device(backend: Any, name: str | None) -> tuple[int, dict]:
    """The default device, or the first whose index or part of whose name is `name`. Raises DeviceError."""
    devices = input_devices(backend)
    if not devices:
        raise DeviceError("no microphone: PortAudio sees no input device; plug one in, or give a sound file instead")
    if not name:
        default = backend.default.device[0]
        index = default if default in devices else next(iter(devices))
        return index, devices[index]
    for index, device in devices.items():
        if name == str(index) or name.lower() in device["name"].lower():
            return index, device
    known = ", ".join(f"{i} {d['name']}" for i, d in devices.items())
    raise DeviceError(f"no microphone is called {name!r}; there are: {known}")


class Microphone:
    """AudioSource, live. Mono 16 kHz whatever the device runs at; `pts` is on `clock`."""

    rate = SAMPLE_RATE
    live = True

    def __init__(self, device: str | None = None, *, clock: Clock, backend: Any = None) -> None:
        """`device`: index or part of a name; `backend`: a sounddevice-like module. Raises MissingPackage."""
        self._name, self._clock = device, clock
        self._sd = backend or portaudio()
        self._queue: deque[tuple[NDArray[np.float32], int]] = deque(maxlen=QUEUE)
        self._stream: Any = None
        self._start = 0                    # next sample index
        self._origin = 0                   # ticks of sample 0
        self._stalled = False              # silence was sent and no block has come since
        self.lost = self.dropped = self.reopened = 0      # samples replaced by silence; blocks; times

    async def __aenter__(self) -> Self:
        """Raises DeviceError when there is no such device or it cannot be opened."""
        self._loop, self._wake = asyncio.get_running_loop(), asyncio.Event()
        await asyncio.to_thread(self._open)
        self._origin = self._alive = self._clock.now()
        self._guard = asyncio.create_task(self._watch())
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._guard.cancel()
        await asyncio.to_thread(self._close)

    def _open(self) -> None:
        index, device = find_device(self._sd, self._name)
        self.label = device["name"]
        native, most = round(device["default_samplerate"]), device["max_input_channels"]
        refused: Exception | None = None
        for rate, channels in ((SAMPLE_RATE, 1), (native, 1), (native, most)):
            try:
                self._resampler = Resampler(rate)
                self._stream = self._sd.InputStream(
                    device=index, samplerate=rate, channels=channels, dtype="float32", latency="low",
                    blocksize=rate * BLOCK_MS // 1000, callback=self._callback)
                self._stream.start()
                return
            except self._sd.PortAudioError as error:
                refused = error
                self._close()
        raise DeviceError(f"microphone {self.label!r} cannot be opened ({refused}); is another program using it? Close "
                          "that, or choose another with mic:NAME") from refused

    def _close(self) -> None:
        if self._stream is not None:
            with contextlib.suppress(self._sd.PortAudioError):
                self._stream.abort()
                self._stream.close()
            self._stream = None

    def _callback(self, block: NDArray[np.float32], frames: int, moment: Any, status: Any) -> None:
        self.dropped += len(self._queue) == QUEUE
        self._queue.append((mix_down(block.T).astype(np.float32), self._clock.now_ns()))
        with contextlib.suppress(RuntimeError):           # the loop has ended while PortAudio has not yet
            self._loop.call_soon_threadsafe(self._wake.set)

    async def _watch(self) -> None:
        while True:
            await self._clock.sleep_until(self._clock.now() + CHECK)
            if self._clock.now() - self._alive > WATCHDOG:
                self._wake.set()

    async def __aiter__(self) -> AsyncIterator[AudioChunk]:
        """Chunks as they are captured. Raises DeviceError after `GIVE_UP` without sound."""
        heard = tried = self._alive = self._clock.now()
        self._queue.clear()                # what was said while the face was being prepared is past
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._queue:
                samples, captured_ns = self._queue.popleft()
                heard = self._alive = self._clock.now()
                for chunk in self._take(self._resampler.push(samples), captured_ns):
                    yield chunk
            now = self._clock.now()
            if now - self._alive <= WATCHDOG:
                continue
            if now - heard > GIVE_UP:
                raise DeviceError(f"microphone {self.label!r} has given no sound for {GIVE_UP // (1000 * TICKS_PER_MS)} s; "
                                  "was it unplugged? Plug it in again or choose another with mic:NAME")
            if now - tried > RETRY:
                tried = now
                await self._reopen()
            self._stalled = True
            if (silence := self._silence(now)) is not None:
                yield silence

    def _take(self, samples: NDArray[np.float32], captured_ns: int) -> list[AudioChunk]:
        chunks = []
        if not self._start:
            self._origin = self._clock.now() - ticks_from_samples(len(samples))
        behind = self._clock.now() - self._origin - ticks_from_samples(self._start + len(samples))
        # After a stall, or where the device dropped much and went on by itself, this block belongs to now.
        if behind > (0 if self._stalled else WATCHDOG) and not self._queue:
            self._stalled = False
            chunks += filter(None, [self._silence(self._clock.now() - ticks_from_samples(len(samples)))])
        return [*chunks, self._chunk(samples, captured_ns)] if len(samples) else chunks

    def _silence(self, until: int) -> AudioChunk | None:
        missing = samples_from_ticks(until - self._origin) - self._start
        if missing <= 0:
            return None
        self.lost += missing
        return self._chunk(np.zeros(missing, np.float32), self._clock.now_ns())

    def _chunk(self, samples: NDArray[np.float32], captured_ns: int) -> AudioChunk:
        start, self._start = self._start, self._start + len(samples)
        return AudioChunk(samples, SAMPLE_RATE, start, self._origin + ticks_from_samples(start), captured_ns)

    async def _reopen(self) -> None:
        """Close, let PortAudio look for devices anew, open. A device that is still away is tried again later."""
        self.reopened += 1
        with contextlib.suppress(DeviceError, self._sd.PortAudioError):
            await asyncio.to_thread(self._restart)

    def _restart(self) -> None:
        self._close()
        self._queue.clear()
        self._sd._terminate()              # PortAudio lists devices only when it starts
        self._sd._initialize()
        self._open()


def create(argument: str = "", *, clock: Clock) -> Microphone:
    """Registry entry: `argument` is empty, an index or part of a device's name. Raises MissingPackage, DeviceError."""
    backend = portaudio()
    find_device(backend, argument or None)
    return Microphone(argument or None, clock=clock, backend=backend)
