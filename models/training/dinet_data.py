"""Talking videos as DINet is trained on them: clips of nine frames, cropped, each frame with its Deep Speech row."""

import zipfile
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from limner.engine.errors import InputError, PortraitError
from limner.models.dinet import crop
from limner.models.dinet.generator import LOGITS, REFERENCES

LENGTH = 9                                   # frames of a clip
FPS = 25
CENTRES = (2, 6)                             # frames of a clip that have two rows of speech on each side


@dataclass(frozen=True, slots=True)
class Footage:
    """The clips of one video. A network sees references of the same video only."""

    frames: NDArray[np.uint8]                # [clips, 9, H, W, 3] RGB
    audio: NDArray[np.float32]               # [clips, 9, 29]


def cut_clips(frames: list[NDArray[np.uint8]], landmarks: NDArray, logits: NDArray[np.float32], mouth: int,
              rng: np.random.Generator) -> Footage:
    """Cut pictures at 25 fps into clips for a mouth square of `mouth` px.

    `landmarks` [n, 68, 2] px, `logits` [m, 29] at 25 Hz, both from the first frame on. Clips whose crop leaves the
    picture or changes its size too much are left out.
    """
    height, width = crop.picture_size(mouth)
    pictures, rows = [], []
    for start in range(0, min(len(frames), len(logits)) - LENGTH + 1, LENGTH):
        part = slice(start, start + LENGTH)
        boxes = _boxes(landmarks[part], float(rng.uniform(*crop.REFERENCE_MARGIN)))
        if boxes is None or not all(box.inside(*frames[0].shape[:2]) for box in boxes):
            continue
        pictures.append([cv2.resize(box.cut(frame), (width, height)) for box, frame in zip(boxes, frames[part], strict=True)])
        rows.append(logits[part])
    count = len(pictures)
    return Footage(np.array(pictures, np.uint8).reshape(count, LENGTH, height, width, 3),
                   np.array(rows, np.float32).reshape(count, LENGTH, LOGITS))


def join(parts: list[Footage], name: str) -> Footage:
    """The clips of one video put together. PortraitError when they are fewer than six: references come from five others."""
    count = sum(len(part.frames) for part in parts)
    if count <= REFERENCES:
        raise PortraitError(f"{name}: {count} usable clips of {LENGTH} frames, at least {REFERENCES + 1} are needed; "
                            "use a video of a few seconds with the whole face in view")
    return Footage(np.concatenate([part.frames for part in parts]), np.concatenate([part.audio for part in parts]))


def _boxes(landmarks: NDArray, margin: float) -> list[crop.Box] | None:
    try:
        size = crop.radius(landmarks, margin)
    except PortraitError:
        return None
    return [crop.crop_box(each, size) for each in landmarks]


def save_footage(path: Path, footage: Footage) -> None:
    np.savez(path, frames=footage.frames, audio=footage.audio)


def load_footage(path: Path, mouth: int) -> Footage:
    """Read prepared clips. Raises InputError when the file is damaged or was prepared for another mouth size."""
    try:
        with np.load(path, allow_pickle=False) as file:
            footage = Footage(file["frames"], file["audio"])
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(f"{path}: not prepared clips ({error}); remove it and prepare the video again") from error
    count = len(footage.frames)
    wanted = ((count, LENGTH, *crop.picture_size(mouth), 3), (count, LENGTH, LOGITS))
    if (footage.frames.shape, footage.audio.shape) != wanted or footage.frames.dtype != np.uint8:
        raise InputError(f"{path}: clips {footage.frames.shape}, expected {wanted[0]}; remove it and prepare the video again")
    return footage


@dataclass(frozen=True, slots=True)
class Batch:
    """Pictures f32 in 0..1. In the frame stage N is the batch, in the clip stage five frames of each clip, in order."""

    source: Tensor                           # [N, 3, H, W], mouth hidden
    reference: Tensor                        # [N, 15, H, W]
    audio: Tensor                            # [N, 29, 5]
    target: Tensor                           # [N, 3, H, W]
    clip_audio: Tensor | None = None         # [clips, 29, 9], clip stage


class Sampler:
    """Random batches as a pure function of (seed, step), so that a resumed training meets the same ones."""

    def __init__(self, footage: list[Footage], mouth: int, seed: int):
        self._footage, self._mouth, self._seed = footage, mouth, seed
        self._places = [(v, c) for v, each in enumerate(footage) for c in range(len(each.frames))]

    def __len__(self) -> int:
        return len(self._places)

    def frames(self, step: int, size: int) -> Batch:
        """`size` frames of random clips, each with references from five other clips of its video."""
        rng = np.random.default_rng([self._seed, step])
        picked = []
        for place in rng.integers(0, len(self._places), size):
            video, clip = self._places[place]
            others = [c for c in range(len(self._footage[video].frames)) if c != clip]
            references = rng.choice(others, REFERENCES, replace=False)
            picked.append(self._one(rng, video, clip, int(rng.integers(CENTRES[0], CENTRES[1] + 1)), references))
        return Batch(*(torch.from_numpy(np.stack(part)) for part in zip(*picked, strict=True)))

    def clips(self, step: int, size: int) -> Batch:
        """Five neighbouring frames of `size` random clips, each frame with references of its own."""
        rng = np.random.default_rng([self._seed, step])
        picked, heard = [], []
        for place in rng.integers(0, len(self._places), size):
            video, clip = self._places[place]
            for centre in range(CENTRES[0], CENTRES[1] + 1):
                references = rng.integers(0, len(self._footage[video].frames), REFERENCES)
                picked.append(self._one(rng, video, clip, centre, references))
            heard.append(self._footage[video].audio[clip].T)
        tensors = [torch.from_numpy(np.stack(part)) for part in zip(*picked, strict=True)]
        return Batch(*tensors, torch.from_numpy(np.stack(heard)))

    def _one(self, rng: np.random.Generator, video: int, clip: int, centre: int, references: NDArray) -> tuple:
        footage = self._footage[video]
        target = footage.frames[clip, centre]
        looks = [footage.frames[c, rng.integers(LENGTH)] for c in references]
        audio = np.ascontiguousarray(footage.audio[clip, centre - 2:centre + 3].T)
        return (crop.to_network(crop.hide_mouth(target, self._mouth)),
                np.concatenate([crop.to_network(look) for look in looks]), audio, crop.to_network(target))
