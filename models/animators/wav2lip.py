"""Wav2Lip as an animator: a portrait or an idle clip whose lower face is redrawn for the voice (ACM MM 2020)."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import nn

from limner.cuda.lane import open_lane
from limner.engine.errors import ContractError
from limner.engine.types import Portrait
from limner.models import living, paste
from limner.models.drawing import Drawing
from limner.models.idleclip import IdleClip, read_clip, still
from limner.models.options import FaceOptions
from limner.models.redrawn import RedrawnMouth, load_drawing, on_lane
from limner.models.wav2lip.face import ROWS, SIDE, to_network
from limner.models.wav2lip.generator import Wav2Lip
from limner.models.wav2lip.live import LiveWav2Lip
from limner.models.wav2lip.seat import REPAINTED, face_windows

EXTRACTOR = "features/wav2lipmel"
_SHAPE = (SIDE, SIDE)
_MELS = 80
_LIVING = 125                                # idle frames drawn from one photo


def build_network() -> nn.Module:
    """The 96-pixel generator with the published keys."""
    return Wav2Lip()


class Wav2LipAnimator(RedrawnMouth):
    """Rows of 80 mel bands at 80 Hz to pictures [size, size, 3].

    `network` is drawn with on `device`, or on the lane of a Drawing that other animators may draw with too.
    `clip` replaces the portrait by an idle clip, played forwards and back; without one the embedded face draws such a
    clip from the photo, with `liveliness` in [0, 1] (0: the photo stands still).
    """

    window = (0, ROWS - 1)                   # 200 ms from the drawn instant on

    def __init__(self, network: Wav2Lip | Drawing, *, size: int = 512, clip: Path | None = None, seed: int = 0,
                 liveliness: float = 1.0, device: str = "cpu"):
        drawing = network if isinstance(network, Drawing) else on_lane(network, LiveWav2Lip, open_lane(device))
        super().__init__(drawing, size, clip, seed, liveliness)

    def sit(self, portrait: Portrait, background: NDArray[np.uint8] | None = None) -> None:
        """Encode the portrait, or the idle clip where one was given."""
        clip = self._source(portrait, background)
        windows = face_windows(clip.landmarks)
        looks = [paste.look(frame, window, _SHAPE) for frame, window in zip(clip.frames, windows, strict=True)]
        sources = self._drawing.each(self._drawing.live.encode, [to_network(look[..., ::-1]) for look in looks])
        patches = [paste.prepare(frame, marks, window, _SHAPE, REPAINTED)
                   for frame, marks, window in zip(clip.frames, clip.landmarks, windows, strict=True)]
        self._take(clip, sources, patches)

    def _source(self, portrait: Portrait, background: NDArray[np.uint8] | None) -> IdleClip:
        size = self.size[0]
        if self._clip_path:
            return read_clip(self._clip_path, size)
        if self._liveliness <= 0:
            return still(portrait, size)
        return living.live(living.seated(portrait, size, background), portrait, _LIVING, self._seed, self._liveliness)

    def _heard(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Rows [16, 80] as a mel window [1, 80, 16]."""
        if rows.shape != (ROWS, _MELS):
            raise ContractError(f"rows {rows.shape}, Wav2Lip hears {(ROWS, _MELS)} mel bands")
        return np.ascontiguousarray(rows.T, np.float32)[None]


def create(options: FaceOptions) -> Wav2LipAnimator:
    """The animator for `options.weights`. Raises WeightsError when there are none or they are another network's."""
    return _maker(options, shared=False)(options)


def share(options: FaceOptions) -> Callable[[FaceOptions], Wav2LipAnimator]:
    """`create` for many sessions at once: all its animators draw with one network, together when due together."""
    return _maker(options, shared=True)


def _maker(options: FaceOptions, *, shared: bool) -> Callable[[FaceOptions], Wav2LipAnimator]:
    drawing = load_drawing(options, "wav2lip", Wav2Lip, LiveWav2Lip, shared=shared)

    def make(asked: FaceOptions) -> Wav2LipAnimator:
        return Wav2LipAnimator(drawing, size=asked.size, clip=asked.clip, seed=asked.seed, liveliness=asked.liveliness)

    return make
