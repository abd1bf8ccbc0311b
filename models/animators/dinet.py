"""DINet as an animator: a portrait or an idle clip whose mouth is redrawn for the voice (Zhang et al., AAAI 2023)."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import nn

from limner.cuda.lane import open_lane
from limner.engine.errors import ContractError
from limner.engine.types import Portrait
from limner.models import checkpoint, living, paste
from limner.models.dinet import crop, references
from limner.models.dinet.generator import LOGITS, DINet
from limner.models.dinet.live import LiveDINet
from limner.models.drawing import Drawing
from limner.models.idleclip import IdleClip, read_clip, still
from limner.models.options import FaceOptions
from limner.models.redrawn import RedrawnMouth, load_drawing, on_lane

EXTRACTOR = "features/deepspeech"
PUBLISHED_MOUTH = 256                        # of the checkpoint its authors released
_MOST_CACHE = 512 << 20                      # bytes of encoded source frames
_LIVING = {64: 125, 128: 75, 256: 50}        # idle frames drawn from one photo; encoding them takes their time


def build_network() -> nn.Module:
    """The generator with the published keys; one network serves every mouth size."""
    return DINet()


class DINetAnimator(RedrawnMouth):
    """Rows of 29 Deep Speech logits at 50 Hz to pictures [size, size, 3].

    `network` is drawn with on `device`, or on the lane of a Drawing that other animators may draw with too.
    `mouth` is the side of the repainted square, 64, 128 or 256, which the weights were trained for. `clip` replaces the
    portrait by an idle clip, played forwards and back; without one the embedded face draws such a clip from the photo,
    with `liveliness` in [0, 1] (0: the photo stands still). Everything but the mouth is the source's own pixels.
    """

    window = (4, 4)                          # rows of 20 ms: two feature frames of 40 ms to each side

    def __init__(self, network: DINet | Drawing, *, size: int = 512, mouth: int = PUBLISHED_MOUTH, clip: Path | None = None,
                 seed: int = 0, liveliness: float = 1.0, device: str = "cpu"):
        drawing = network if isinstance(network, Drawing) else on_lane(network, LiveDINet, open_lane(device))
        super().__init__(drawing, size, clip, seed, liveliness)
        self._mouth, self._shape = mouth, crop.picture_size(mouth)

    def sit(self, portrait: Portrait, background: NDArray[np.uint8] | None = None) -> None:
        """Encode the portrait, or the idle clip where one was given. Raises PortraitError when no crop fits the face."""
        size = self.size[0]
        if self._clip_path:
            clip = self._fitting(read_clip(self._clip_path, size))
            shown = [(clip.frames[i], clip.landmarks[i]) for i in references.chosen(clip.landmarks)]
        else:
            face = living.seated(portrait, size, background)
            clip = rest = still(portrait, size)
            if self._liveliness > 0:
                clip = self._fitting(living.live(face, portrait, _LIVING[self._mouth], self._seed, self._liveliness))
            shown = [(picture, rest.landmarks[0]) for picture in references.drawn(face)]
        points = clip.landmarks[:, list(crop.MULTI_PIE), :2]
        radius = crop.radius(points)
        windows = [crop.crop_window(each, radius) for each in points]
        self._encode(clip, windows, [self._look(picture, crop.crop_window(marks[list(crop.MULTI_PIE), :2], radius))
                                     for picture, marks in shown])

    def _fitting(self, clip: IdleClip) -> IdleClip:
        """As much of a clip as may be kept encoded."""
        each = 4 * 128 * (self._shape[0] // 4) * (self._shape[1] // 4)
        most = max(1, _MOST_CACHE // each)
        return IdleClip(clip.frames[:most], clip.landmarks[:most], clip.duration)

    def _look(self, picture: NDArray[np.uint8], window: paste.Window) -> NDArray[np.uint8]:
        return paste.look(picture, window, self._shape)

    def _encode(self, clip: IdleClip, windows: list[paste.Window], looks: list[NDArray[np.uint8]]) -> None:
        square = crop.repainted(self._mouth)
        patches = [paste.prepare(frame, marks, window, self._shape, square)
                   for frame, marks, window in zip(clip.frames, clip.landmarks, windows, strict=True)]
        sources = [crop.to_network(crop.hide_mouth(self._look(frame, window), self._mouth))
                   for frame, window in zip(clip.frames, windows, strict=True)]
        stacked = np.concatenate([crop.to_network(look) for look in looks])
        drawing = self._drawing
        reference, = drawing.each(drawing.live.refer, [stacked])
        self._take(clip, drawing.each(lambda one: drawing.live.encode(one, reference), sources), patches)

    def _heard(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Rows [9, 29] of 50 Hz as logits [29, 5] of 25 Hz."""
        if rows.shape != (sum(self.window) + 1, LOGITS):
            raise ContractError(f"rows {rows.shape}, DINet hears {(sum(self.window) + 1, LOGITS)} Deep Speech logits")
        return np.ascontiguousarray(rows[::2].T, np.float32)


def trained_mouth(path: Path) -> int:
    """The mouth size a checkpoint was trained for. Ours state it; the published ones have it in their name, if at all
    ("frame_64mouth.pth"), as nothing in the weights tells."""
    stated = checkpoint.read(path).get("mouth")
    if stated in crop.MOUTHS:
        return stated
    named = re.search(r"(64|128|256)mouth", Path(path).name)
    return int(named[1]) if named else PUBLISHED_MOUTH


def create(options: FaceOptions) -> DINetAnimator:
    """The animator for `options.weights`. Raises WeightsError when there are none or they are another network's."""
    return _maker(options, shared=False)(options)


def share(options: FaceOptions) -> Callable[[FaceOptions], DINetAnimator]:
    """`create` for many sessions at once: all its animators draw with one network, together when due together."""
    return _maker(options, shared=True)


def _maker(options: FaceOptions, *, shared: bool) -> Callable[[FaceOptions], DINetAnimator]:
    drawing = load_drawing(options, "dinet", DINet, LiveDINet, shared=shared)
    mouth = trained_mouth(options.weights)

    def make(asked: FaceOptions) -> DINetAnimator:
        return DINetAnimator(drawing, size=asked.size, mouth=mouth, clip=asked.clip, seed=asked.seed, liveliness=asked.liveliness)

    return make
