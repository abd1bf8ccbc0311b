"""A Picture in the forms that programs outside like better: packed RGB, BGRA with its alpha, JPEG."""

import cv2
import numpy as np

from limner.engine.errors import UsageError
from limner.engine.types import Picture

from .alpha import opaque
from .slots import SlotWriter
from .wire import KINDS, Image

QUALITY = 90
NOTHING = np.zeros(0, np.uint8)


class Formatter:
    """Called with a Picture it gives what to send; calls come one at a time, from any thread.

    Colours are BT.601 limited range in, sRGB full range out. BGRA has straight alpha, 255 for a picture without one;
    the others show a transparent picture over black.
    """

    def __init__(self, kind: str = "i420", quality: int = QUALITY, slots: SlotWriter | None = None) -> None:
        """`kind` of `wire.KINDS`, JPEG `quality` 1..100; with `slots` the bytes go there. Raises UsageError."""
        if kind not in KINDS:
            raise UsageError(f"zmq format={kind}: expected one of {', '.join(KINDS)}")
        if not 1 <= quality <= 100:
            raise UsageError(f"zmq quality={quality}: expected 1 to 100")
        self.kind, self.quality, self._slots = kind, quality, slots
        self.plain = kind == "i420" and slots is None        # an opaque Picture is sent as it is

    def __call__(self, picture: Picture) -> Picture | Image:
        if self.kind != "bgra":
            picture = opaque(picture)
        if self.plain:
            return picture
        data, slot = self._converted(picture), None
        if self._slots:
            data, slot = NOTHING, self._slots.write(data)
        return Image(self.kind, data, picture.size, picture.pts, picture.captured_ns, picture.duration, picture.drawn,
                     picture.generation, slot)

    def _converted(self, picture: Picture) -> np.ndarray:
        if self.kind == "i420":
            return picture.planes
        if self.kind == "rgb":
            return cv2.cvtColor(picture.planes, cv2.COLOR_YUV2RGB_I420)
        if self.kind == "jpeg":
            bgr = cv2.cvtColor(picture.planes, cv2.COLOR_YUV2BGR_I420)
            return cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, self.quality])[1]
        bgra = cv2.cvtColor(picture.planes, cv2.COLOR_YUV2BGRA_I420)
        if picture.alpha is not None:
            bgra[:, :, 3] = picture.alpha
        return bgra
