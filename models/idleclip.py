"""A short clip of a person who is not speaking, measured: the moving portrait of the dubbing networks."""

from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from limner.engine.clock import TICKS
from limner.engine.errors import MediaError, PortraitError
from limner.engine.types import Portrait

from .portrait import find_faces
from .video import open_video

MOST_FRAMES = 250                            # ten seconds at 25 frames per second
_FILTER = (1, 4, 6, 4, 1)                    # binomial: steadies the landmarks without following noise


@dataclass(frozen=True, slots=True)
class IdleClip:
    """Square frames and their landmarks, to be shown forwards and back."""

    frames: NDArray[np.uint8]                # [n, S, S, 3] RGB
    landmarks: NDArray[np.float32]           # [n, 478, 3] px of the frames
    duration: int                            # ticks a frame is shown

    def at(self, pts: int) -> int:
        """Number of the frame shown at `pts` ticks: 0 .. n-1 .. 0, without showing an end twice."""
        count = len(self.frames)
        step = pts // self.duration % max(2 * count - 2, 1)
        return step if step < count else 2 * count - 2 - step


def still(portrait: Portrait, size: int) -> IdleClip:
    """A clip of one frame: the portrait at `size` x `size` px."""
    height, width = portrait.image.shape[:2]
    kind = cv2.INTER_AREA if size < width else cv2.INTER_CUBIC
    image = portrait.image if (height, width) == (size, size) else cv2.resize(portrait.image, (size, size), interpolation=kind)
    return IdleClip(image[None], _scaled(portrait.landmarks, size / width)[None], TICKS)


def read_clip(path: Path, size: int) -> IdleClip:
    """Decode, follow the face, cut a square around it at `size` px.

    At most `MOST_FRAMES` from the start are used. Raises MediaError for a file that is no video, PortraitError when a
    frame shows no face, TooLarge for frames above 4096 x 2304.
    """
    frames, rate = _decode(path)
    landmarks = steady(follow(frames, path))
    left, top, side = _square(frames[0].shape[:2], landmarks)
    kind = cv2.INTER_AREA if size < side else cv2.INTER_CUBIC
    cut = [cv2.resize(frame[top:top + side, left:left + side], (size, size), interpolation=kind) for frame in frames]
    moved = _scaled(landmarks - np.float32([left, top, 0]), size / side)
    return IdleClip(np.stack(cut), moved, round(TICKS / rate))


def _scaled(landmarks: NDArray[np.float32], scale: float) -> NDArray[np.float32]:
    """Landmarks of a picture resized by `scale`; whole numbers are pixel centres."""
    return (landmarks * scale + [(scale - 1) / 2, (scale - 1) / 2, 0]).astype(np.float32)


def _decode(path: Path) -> tuple[list[NDArray[np.uint8]], float]:
    with open_video(path) as (rate, pictures):
        frames = list(islice(pictures, MOST_FRAMES))
    if not frames:
        raise MediaError(f"{path}: no picture in it; expected an idle clip such as mp4")
    return frames, rate


def follow(frames: list[NDArray[np.uint8]], path: Path) -> NDArray[np.float32]:
    """Landmarks [n, 478, 3] of one person through a clip: the largest face at first, then the nearest to where it was."""
    found = []
    for number, frame in enumerate(frames):
        faces = find_faces(frame)
        if not faces:
            raise PortraitError(f"{path}: no face in frame {number}; use a clip in which one face is always seen from the front")
        if found:
            last = found[-1]
            found.append(min((face.landmarks for face in faces), key=lambda points: float(np.abs(points - last).mean())))
        else:
            found.append(max(faces, key=lambda face: face.eyes).landmarks)
    return np.stack(found)


def steady(landmarks: NDArray[np.float32]) -> NDArray[np.float32]:
    """Landmarks [n, 478, 3] through a binomial filter over five frames; the ends repeat."""
    reach = len(_FILTER) // 2
    padded = np.concatenate([landmarks[:1].repeat(reach, 0), landmarks, landmarks[-1:].repeat(reach, 0)])
    weights = np.float32(_FILTER) / sum(_FILTER)
    return sum(w * padded[i:i + len(landmarks)] for i, w in enumerate(weights)).astype(np.float32)


def _square(shape: tuple[int, int], landmarks: NDArray[np.float32]) -> tuple[int, int, int]:
    """(left, top, side) of the largest square of the picture, as centred on the face as fits."""
    height, width = shape
    side = min(height, width)
    middle = landmarks[..., :2].mean((0, 1))
    left = int(np.clip(round(float(middle[0]) - side / 2), 0, width - side))
    top = int(np.clip(round(float(middle[1]) - side / 2), 0, height - side))
    return left, top, side
