"""How well lips and voice of a finished clip agree: LSE-D, LSE-C and the offset, as the field defines them.

Chung and Zisserman, "Out of time" (2016), with the distances Prajwal et al. (2020) report as LSE-D (the least mean
distance over shifts) and LSE-C (the median of them less the least).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from limner.engine.errors import MediaError

from .features.logmel import WAV2LIP, log_mel
from .features.mfcc import mfcc
from .idleclip import steady
from .paste import Window, look
from .syncnet import SyncNetV2, Wav2LipSync
from .wav2lip.face import RATE as MEL_RATE
from .wav2lip.face import ROWS as MEL_ROWS
from .wav2lip.face import SIDE
from .wav2lip.seat import face_windows

FPS = 25
SPAN = 5                                     # frames seen at once
SHIFTS = 15                                  # frames tried to each side
_BATCH = 16
_CEPSTRA, _CEPSTRA_ROWS = 13, 20             # at 100 Hz: four rows a frame
_MARGIN = 0.4                                # of the face's half side around it, in SyncNet's crops
_SYNCNET_SIDE = 224


@dataclass(frozen=True, slots=True)
class Score:
    """`offset` in frames: positive when the sound comes before its picture."""

    offset: int
    distance: float                          # LSE-D
    confidence: float                        # LSE-C
    frames: int                              # windows compared


def lip_sync_error(lips: NDArray[np.float32], voice: NDArray[np.float32], shifts: int = SHIFTS) -> Score:
    """Embeddings [n, D] of lips and of the voice at the same frames -> the score over shifts of up to `shifts` frames."""
    count = min(len(lips), len(voice))
    if count < 1:
        raise MediaError("nothing to compare: the clip needs at least six frames at 25 per second, with sound")
    padded = np.pad(voice[:count], ((shifts, shifts), (0, 0)))
    # Distance as the published code takes it: 1e-6 is added to every difference.
    means = [np.sqrt(((lips[:count] - padded[s:s + count] + 1e-6) ** 2).sum(1)).mean() for s in range(2 * shifts + 1)]
    least = int(np.argmin(means))
    return Score(shifts - least, float(means[least]), float(np.median(means) - means[least]), count)


def syncnet_windows(landmarks: NDArray[np.float32]) -> list[Window]:
    """The square SyncNet sees in each frame, from landmarks [n, 478, 2+]: the face and 40 % of its half side around it."""
    points = steady(landmarks)[..., :2]
    low, high = points.min(1), points.max(1)
    half = (high - low).max(1) / 2
    middle = (low + high) / 2
    return [Window(float(x - r * (1 + _MARGIN)), float(y - r), float(2 * r * (1 + _MARGIN)), float(2 * r * (1 + _MARGIN)))
            for (x, y), r in zip(middle, half, strict=True)]


@torch.inference_mode()
def embed_v2(network: SyncNetV2, frames: list[NDArray[np.uint8]], landmarks: NDArray[np.float32],
             samples: NDArray[np.float32]) -> tuple[NDArray, NDArray]:
    """Joint-space vectors [n, 1024] of lips and voice at every frame that has its five frames and 200 ms of sound."""
    side = (_SYNCNET_SIDE, _SYNCNET_SIDE)
    faces = np.stack([look(f, w, side)[..., ::-1] for f, w in zip(frames, syncnet_windows(landmarks), strict=True)])
    cepstra = mfcc(samples, _CEPSTRA)
    count = max(0, min(len(faces) - SPAN, (len(cepstra) - _CEPSTRA_ROWS) // 4))
    lips = _batched(lambda x: network.embed_lips(x)[0], count, lambda i: faces[i:i + SPAN].transpose(3, 0, 1, 2).astype(np.float32))
    voice = _batched(network.embed_voice, count, lambda i: cepstra[4 * i:4 * i + _CEPSTRA_ROWS].T[None])
    return lips, voice


@torch.inference_mode()
def embed_wav2lip(network: Wav2LipSync, frames: list[NDArray[np.uint8]], landmarks: NDArray[np.float32],
                  samples: NDArray[np.float32]) -> tuple[NDArray, NDArray]:
    """Unit vectors [n, 512] of lips and voice at every frame that has its five frames and 200 ms of sound."""
    windows = face_windows(steady(landmarks))
    faces = np.stack([look(f, w, (SIDE, SIDE))[SIDE // 2:, :, ::-1] for f, w in zip(frames, windows, strict=True)])
    mel = log_mel(samples, WAV2LIP)
    count = max(0, min(len(faces) - SPAN, (len(mel) - MEL_ROWS) * FPS // MEL_RATE))

    def stacked(i: int) -> NDArray[np.float32]:
        return np.concatenate(faces[i:i + SPAN], 2).astype(np.float32).transpose(2, 0, 1) / 255

    def heard(i: int) -> NDArray[np.float32]:
        start = int(i * MEL_RATE / FPS)
        return mel[start:start + MEL_ROWS].T[None]
    lips = _batched(lambda x: F.normalize(network.face_encoder(x).flatten(1)), count, stacked)
    voice = _batched(lambda x: F.normalize(network.audio_encoder(x).flatten(1)), count, heard)
    return lips, voice


def _batched(embed: Callable, count: int, make: Callable[[int], NDArray[np.float32]]) -> NDArray[np.float32]:
    parts = [embed(torch.from_numpy(np.stack([make(i) for i in group]))).numpy() for group in _groups(count)]
    return np.concatenate(parts) if parts else np.empty((0, 1), np.float32)


def _groups(count: int) -> Iterator[range]:
    for start in range(0, count, _BATCH):
        yield range(start, min(start + _BATCH, count))
