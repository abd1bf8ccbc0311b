"""Shows the avatar as a webcam: v4l2loopback on Linux, the OBS virtual camera elsewhere (by pyvirtualcam).

A camera carries no sound; programs that take the picture take the voice from an audio device (`speaker`).
"""

import asyncio
import platform
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Self

import pyvirtualcam

from limner.engine.errors import DeviceError
from limner.engine.types import AudioChunk, Picture
from limner.streams.alpha import opaque

HINTS = {
    "Linux": "load one with: modprobe v4l2loopback exclusive_caps=1 (apt install v4l2loopback-dkms)",
    "Darwin": "install OBS Studio and start its virtual camera once",
    "Windows": "install OBS Studio, which brings one",
}
WITHOUT = "or, in OBS, take the page http://127.0.0.1:8400/stage of `limner serve` as a browser source"


class Camera:
    """AVSink that sends I420 pictures. `sent` counts them; `device` is the camera's name once it is open."""

    def __init__(self, device: str | None, *, size: tuple[int, int], fps: int, backend: str | None = None) -> None:
        """`device` as the system names it (`/dev/video9`), None for the first; `backend` one of pyvirtualcam's."""
        self._asked = {"width": size[1], "height": size[0], "fps": fps, "device": device, "backend": backend,
                       "fmt": pyvirtualcam.PixelFormat.I420}
        self._camera: Any = None
        self.device, self.sent = "", 0

    async def __aenter__(self) -> Self:
        """Raises DeviceError when there is no virtual camera or another program has it."""
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="limner-camera")
        try:
            self._camera = await self._run(self._open)
        except BaseException:
            self._thread.shutdown(wait=False)
            raise
        self.device = self._camera.device
        return self

    def _open(self) -> pyvirtualcam.Camera:
        try:
            return pyvirtualcam.Camera(**self._asked)
        except (RuntimeError, OSError, KeyError) as error:
            found = str(error).splitlines()[0].rstrip(".") if str(error) else type(error).__name__
            hint = HINTS.get(platform.system(), "this system has none")
            device = f":{self._asked['device']}" if self._asked["device"] else ""
            raise DeviceError(f"camera{device}: no virtual camera can be opened ({found}); {hint}; {WITHOUT}") from None

    async def __aexit__(self, *exc: object) -> None:
        try:
            await self._run(self._camera.close)
        finally:
            self._thread.shutdown(wait=False)

    async def show(self, picture: Picture) -> None:
        """Hand one picture to the driver. Raises DeviceError when the camera went away."""
        try:
            await self._run(self._send, picture)
        except (RuntimeError, OSError) as error:
            raise DeviceError(f"camera {self.device}: takes no more pictures ({error}); was its driver unloaded?") from error
        self.sent += 1

    def _send(self, picture: Picture) -> None:
        self._camera.send(opaque(picture).planes.reshape(-1))

    async def play(self, chunk: AudioChunk) -> None:
        """A camera is silent."""

    async def _run(self, work: Any, *args: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, *args)


def create(argument: str = "", *, size: tuple[int, int], fps: int) -> Camera:
    """Registry entry: `argument` is empty or a device."""
    return Camera(argument or None, size=size, fps=fps)
