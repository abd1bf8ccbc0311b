"""A window on a session's bus: `limner view tcp://127.0.0.1:5555 --control tcp://127.0.0.1:5556`.

Shows the newest picture and what happens; i interrupts what is being said, q or Escape closes the window. Without a
screen, `--frames N --save FILE.png` keeps the N-th picture. A small complete program on `zmq.client`, to start from.
"""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from limner.engine.errors import DeviceError, MissingPackage, UsageError

from .loader import import_late

REFRESH_MS = 15
PATIENCE = 10.0                 # s without any picture before the headless viewer gives up


class View:
    """What is to be seen now. `client` is a `zmq.client.Client`; `caption` the last event or answer."""

    def __init__(self, client) -> None:
        self._client, self.caption = client, ""
        self.pictures = 0

    def newest(self, timeout: float = 0.0) -> NDArray[np.uint8] | None:
        """u8 RGB [H, W, 3] of the newest picture that has come since the last call, waiting `timeout` s for one."""
        found = None
        while message := self._client.receive(timeout if found is None else 0):
            if message.topic == "video":
                found, self.pictures = message, self.pictures + 1
                if timeout:
                    break
            elif message.topic == "event":
                self.caption = " ".join([message.header["name"], *(str(value) for value in message.header["data"].values())])
        return None if found is None else picture(found)

    def key(self, name: str) -> bool:
        """A key was pressed; False for those that close the window."""
        if name == "i" and self._client.commands:
            try:
                self._client.interrupt()
                self.caption = "interrupted"
            except TimeoutError as error:
                self.caption = str(error)
        return name not in ("q", "Escape")


def picture(message) -> NDArray[np.uint8]:
    """u8 RGB [H, W, 3] of a `video` message of any kind. Raises DeviceError for a broken JPEG."""
    if message.header["kind"] != "jpeg":
        return np.ascontiguousarray(message.rgb())
    bgr = cv2.imdecode(message.data, cv2.IMREAD_COLOR)
    if bgr is None:
        raise DeviceError("the session sent a JPEG that cannot be decoded")
    return bgr[:, :, ::-1]


def window(view: View, title: str) -> None:
    """Show until it is closed. Raises DeviceError without a screen, MissingPackage without Tk."""
    try:
        import tkinter
    except ImportError as error:
        raise MissingPackage("the viewer's window needs Tk; install it: apt install python3-tk") from error
    try:
        root = tkinter.Tk()
    except tkinter.TclError as error:
        raise DeviceError(f"no screen ({error}); use --frames N --save FILE.png") from error
    root.title(title)
    face, caption = tkinter.Label(root), tkinter.Label(root, anchor="w")
    face.pack()
    caption.pack(fill="x")
    root.bind("<Key>", lambda event: None if view.key(event.keysym) else root.destroy())

    def refresh() -> None:
        rgb = view.newest()
        if rgb is not None:
            face.image = tkinter.PhotoImage(data=ppm(rgb), format="PPM")     # Tk itself keeps no reference
            face.configure(image=face.image)
        caption.configure(text=view.caption)
        root.after(REFRESH_MS, refresh)

    refresh()
    root.mainloop()


def ppm(rgb: NDArray[np.uint8]) -> bytes:
    """A picture in the form Tk reads fastest."""
    return b"P6 %d %d 255\n" % (rgb.shape[1], rgb.shape[0]) + rgb.tobytes()


def keep(view: View, frames: int, path: Path) -> None:
    """Write the `frames`-th picture. Raises DeviceError when none come, UsageError when it cannot be written."""
    rgb = None
    while view.pictures < frames:
        rgb = view.newest(PATIENCE)
        if rgb is None:
            raise DeviceError(f"no picture came for {PATIENCE:.0f} s; is a session running with --to zmq:...?")
    try:
        data = cv2.imencode(path.suffix, rgb[:, :, ::-1])[1]
        path.write_bytes(data.tobytes())
    except (cv2.error, OSError) as error:
        raise UsageError(f"--save {path}: cannot be written ({getattr(error, 'strerror', None) or 'expected .png or .jpg'})") from error


def run(endpoint: str, control: str | None = None, *, frames: int = 1, save: Path | None = None) -> int:
    """Watch `endpoint` in a window, or keep its `frames`-th picture in `save`. Returns 0. Raises LimnerError."""
    module = import_late("limner.clients.zmq.client")
    try:
        client = module.Client(endpoint, control, topics=("video", "event"))
    except module.zmq.ZMQError as error:
        raise UsageError(f"{endpoint}: no endpoint ({error.strerror}); expected tcp://127.0.0.1:5555 for example") from error
    with client:
        view = View(client)
        if save:
            keep(view, max(1, frames), save)
        else:
            window(view, f"limner {endpoint}")
    return 0
