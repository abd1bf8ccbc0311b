"""Real mouths: lip opening and width of a talking person's clip, measured picture by picture."""

from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from limner.engine.errors import MediaError
from limner.models.blazeface import detect
from limner.models.landmarks import eye_distance, measure
from limner.streams.media import decode_mono

INNER_LIPS = ((13, 14), (82, 87), (312, 317))      # upper, lower: middle and both sides
CORNERS = (61, 291)


@dataclass(frozen=True, slots=True)
class Mouth:
    """`times` [n] s, `opening` and `width` [n] in inter-ocular distances."""

    times: NDArray[np.float64]
    opening: NDArray[np.float64]
    width: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Clip:
    name: str
    sound: NDArray[np.float32]                     # 16 kHz
    mouth: Mouth


def lips_of(image: NDArray[np.uint8]) -> tuple[float, float] | None:
    """Opening and width of the largest face in u8 RGB, or None without a face."""
    faces = detect(image)
    if not faces:
        return None
    points, _ = measure(image, faces[0])
    gap = np.mean([np.linalg.norm(points[a] - points[b]) for a, b in INNER_LIPS])
    return tuple(np.array([gap, np.linalg.norm(points[CORNERS[0]] - points[CORNERS[1]])]) / eye_distance(points))


def read_mouth(path: Path, mirrored: bool = False) -> Mouth:
    """Every picture of a clip; `mirrored` measures each as a mirror shows it, a second opinion on the same lips.

    Raises:
        MediaError: fewer than half of the pictures show a face.
    """
    times, lips, pictures = [], [], 0
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            pictures += 1
            image = frame.to_ndarray(format="rgb24")
            found = lips_of(np.ascontiguousarray(image[:, ::-1]) if mirrored else image)
            if found:
                times.append(float(frame.time))
                lips.append(found)
    if len(lips) * 2 < pictures or not lips:
        raise MediaError(f"{path} shows a face in {len(lips)} of {pictures} pictures; a talking person's clip is expected")
    return Mouth(np.array(times), *np.array(lips).T)


def read_clip(path: Path) -> Clip:
    return Clip(path.stem, np.concatenate(list(decode_mono(path))), read_mouth(path))
