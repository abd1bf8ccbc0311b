"""Wav2Lip as an animator: a portrait or an idle clip whose lower face is redrawn for the voice (ACM MM 2020)."""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from limner.engine.errors import ContractError
from limner.engine.types import FeatureWindow, Frame, Portrait
from limner.models import living, paste
from limner.models.avatar import Avatar
from limner.models.devices import choose
from limner.models.idleclip import IdleClip, read_clip, still
from limner.models.options import FaceOptions
from limner.models.rest import speaking
from limner.models.wav2lip.face import ROWS, SIDE, to_network
from limner.models.wav2lip.generator import Wav2Lip
from limner.models.wav2lip.live import LiveWav2Lip
from limner.models.wav2lip.seat import REPAINTED, face_windows
from limner.models.weights import load_weights, missing_weights

EXTRACTOR = "features/wav2lipmel"
_SHAPE = (SIDE, SIDE)
_MELS = 80
_LIVING = 125                                # idle frames drawn from one photo


def build_network() -> nn.Module:
    """The 96-pixel generator with the published keys."""
    return Wav2Lip()


class Wav2LipAnimator:
    """Rows of 80 mel bands at 80 Hz to pictures [size, size, 3].

    `clip` replaces the portrait by an idle clip, played forwards and back; without one the embedded face draws such a
    clip from the photo, with `liveliness` in [0, 1] (0: the photo stands still).
    """

    window = (0, ROWS - 1)                   # 200 ms from the drawn instant on

    def __init__(self, network: Wav2Lip, *, size: int = 512, clip: Path | None = None, seed: int = 0,
                 liveliness: float = 1.0, device: str = "cpu"):
        self.size = (size, size)
        self.device = torch.device(device)
        self._clip_path, self._seed, self._liveliness = clip, seed, liveliness
        self._live = LiveWav2Lip(network.to(self.device))
        self._clip: IdleClip | None = None

    def sit_avatar(self, avatar: Avatar) -> None:
        """Seat an avatar's portrait before its own background."""
        self.sit(avatar.portrait, avatar.background)

    def sit(self, portrait: Portrait, background: NDArray[np.uint8] | None = None) -> None:
        """Encode the portrait, or the idle clip where one was given."""
        clip = self._source(portrait, background)
        windows = face_windows(clip.landmarks)
        looks = [paste.look(frame, window, _SHAPE) for frame, window in zip(clip.frames, windows, strict=True)]
        faces = np.stack([to_network(look[..., ::-1]) for look in looks])
        self._maps = self._live.prepare(torch.from_numpy(faces).to(self.device))
        self._patches = [paste.prepare(frame, marks, window, _SHAPE, REPAINTED)
                         for frame, marks, window in zip(clip.frames, clip.landmarks, windows, strict=True)]
        self._clip = clip

    def _source(self, portrait: Portrait, background: NDArray[np.uint8] | None) -> IdleClip:
        size = self.size[0]
        if self._clip_path:
            return read_clip(self._clip_path, size)
        if self._liveliness <= 0:
            return still(portrait, size)
        return living.live(living.seated(portrait, size, background), portrait, _LIVING, self._seed, self._liveliness)

    def draw(self, window: FeatureWindow) -> Frame:
        """The source frame of this instant with the mouth of this sound; the source's own mouth in silence."""
        if self._clip is None:
            raise ContractError("draw before sit; seat a portrait first")
        number = self._clip.at(window.pts)
        picture, shown = self._clip.frames[number], speaking(window)
        if shown > 0:
            picture = paste.blend(picture, self._patches[number], self.mouth(number, window.rows), shown)
        return Frame(picture, window.pts, 0, window.captured_ns)

    def mouth(self, number: int, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """The network's picture of source frame `number` for rows [16, 80]: f32 [96, 96, 3] RGB, 0..255."""
        if rows.shape != (ROWS, _MELS):
            raise ContractError(f"rows {rows.shape}, Wav2Lip hears {(ROWS, _MELS)} mel bands")
        mel = torch.from_numpy(np.ascontiguousarray(rows.T, np.float32))[None, None].to(self.device)
        drawn = self._live.draw(self._maps[number], mel)[0]
        return (drawn * 255).permute(1, 2, 0).cpu().numpy()[..., ::-1]

    def reset(self) -> None:
        """Nothing is remembered between drawings."""


def create(options: FaceOptions) -> Wav2LipAnimator:
    """The animator for `options.weights`. Raises WeightsError when there are none or they are another network's."""
    if options.weights is None:
        raise missing_weights("wav2lip", "choose `--animator morphable`, which needs none")
    network = load_weights(Wav2Lip(), options.weights, "wav2lip")
    return Wav2LipAnimator(network, size=options.size, clip=options.clip, seed=options.seed, liveliness=options.liveliness,
                           device=choose(options.device))
