"""From any picture of a person to an avatar: find the face, measure it, check it, frame it, cut the person out."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from limner.engine.errors import InputError, MissingPackage, PortraitError, UsageError
from limner.engine.types import Portrait

from .avatar import MAX_SIDE, MIN_SIDE, Avatar, seal
from .blazeface import MIN_SCORE, detect
from .framing import cut, extend, frame
from .headpose import head_pose
from .landmarks import MIN_PRESENCE, Region, eye_distance, measure
from .matte import WIDE, matte_without_network, paint_background, person_matte
from .picture import read_image

__all__ = ["Face", "find_faces", "make_avatar", "read_image"]

MIN_EYES = 60.0                      # px between the outer eye corners
MAX_YAW = 20.0                       # degrees
_DRAWN_SCORE = 0.3                   # detector score accepted for paintings and drawings; the mesh network decides
_MOST_FACES = 16
_SEEN = 0.97                         # part of the wider view's lower half that must lie in the picture
_CHIN = 152                          # landmark
_CUTOUT = 0.97                       # mean opacity under which a picture's own transparency is taken for the matte


@dataclass(frozen=True, slots=True)
class Face:
    """`landmarks` f32 [478, 3] px, `eyes` px between the outer corners, `yaw` in degrees (to the own left positive)."""

    landmarks: NDArray[np.float32]
    eyes: float
    yaw: float


def find_faces(image: NDArray[np.uint8]) -> list[Face]:
    """All faces of u8 RGB [H, W, 3] from left to right; a box that the mesh network does not call a face is dropped."""
    for score in (MIN_SCORE, _DRAWN_SCORE):
        boxes = sorted(detect(image, score), key=lambda box: -box.area)[:_MOST_FACES]
        measured = [measure(image, box) for box in boxes]
        faces = [_face(points) for points, presence in measured if presence >= MIN_PRESENCE]
        if faces:
            return sorted(faces, key=lambda face: float(face.landmarks[:, 0].mean()))
    return []


def make_avatar(image: NDArray[np.uint8], *, size: int = 512, face: int | None = None, force: bool = False,
                landmarks: NDArray[np.float32] | None = None, name: str = "portrait", licence: str = "",
                consent: str = "") -> Avatar:
    """Measure and frame one person of `image`, u8 RGB or RGBA [H, W, 3 or 4].

    `size` is the side of the square portrait in px. `face` chooses among several, 0 for the leftmost; by default the
    largest is taken and a note says so. `landmarks` [478, 3] px replace finding. `force` accepts turned or small faces.
    Raises PortraitError when there is no usable face, UsageError for options outside their range.
    """
    if not MIN_SIDE <= size <= MAX_SIDE or size % 2:
        raise UsageError(f"size is {size}; a portrait is an even number of pixels from {MIN_SIDE} to {MAX_SIDE}")
    rgb = image[..., :3]
    if landmarks is None:
        chosen, notes = _choose(find_faces(rgb), face)
    else:
        chosen, notes = _face(landmarks), ["landmarks were given, not measured"]
    notes += _check(chosen, force)
    region = frame(chosen.landmarks, image.shape[:2])
    affine = region.to_crop(size)
    portrait, background = _cut_out(image, region, _moved(chosen.landmarks, affine), size, notes)
    if (growth := size / region.side) > 1.6:
        notes.append(f"the picture was enlarged {growth:.1f} times; a larger one would be sharper")
    meta = {"notes": notes, "yaw_degrees": round(chosen.yaw, 2), "eyes_px": round(chosen.eyes, 1),
            "source_size": [int(n) for n in image.shape[1::-1]], "source_to_crop": affine.astype(float).tolist()}
    return seal(name, portrait, background, licence=licence, consent=consent, meta=meta)


def load_portrait(path: str | Path | bytes, **options: object) -> Avatar:
    """`make_avatar` of a picture file or its bytes; transparency becomes the matte."""
    return make_avatar(read_image(path, alpha=True), **options)


def _face(landmarks: NDArray[np.float32]) -> Face:
    return Face(landmarks, eye_distance(landmarks), head_pose(landmarks).yaw)


def _choose(faces: list[Face], wanted: int | None) -> tuple[Face, list[str]]:
    if not faces:
        raise PortraitError("no face was found; give a picture of one person looking at the camera, with the eyes, "
                            "nose and mouth uncovered (or a landmark file: --landmarks FILE)")
    if wanted is not None:
        if not 0 <= wanted < len(faces):
            last = len(faces) - 1
            raise PortraitError(f"face {wanted} was asked for, but {len(faces)} found: 0 (leftmost) to {last}")
        return faces[wanted], []
    sizes = [face.eyes for face in faces]
    largest = int(np.argmax(sizes))
    if len(faces) == 1:
        return faces[0], []
    return faces[largest], [f"{len(faces)} faces were found; the largest is used, number {largest} from the left, "
                            f"0 first (--face N chooses another)"]


def _check(face: Face, force: bool) -> list[str]:
    """Notes about a face that is used all the same; PortraitError for one that is not."""
    problems = []
    if face.eyes < MIN_EYES:
        problems.append(f"the eyes are {face.eyes:.0f} px apart, at least {MIN_EYES:.0f} are needed: "
                        f"give a larger picture of the face")
    if abs(face.yaw) > MAX_YAW:
        side = "left" if face.yaw > 0 else "right"
        problems.append(f"the head is turned {abs(face.yaw):.0f} degrees to its {side}, at most {MAX_YAW:.0f} can be "
                        f"animated: give a picture that faces the camera")
    if problems and not force:
        raise PortraitError("; ".join(problems) + " (or use --force)")
    return problems


def _moved(landmarks: NDArray[np.float32], affine: NDArray[np.float32]) -> NDArray[np.float32]:
    """Landmarks of the picture in pixels of the crop; z keeps the scale of x and y."""
    xy = landmarks[:, :2] @ affine[:, :2].T + affine[:, 2]
    z = landmarks[:, 2:] * np.hypot(affine[0, 0], affine[1, 0])
    return np.concatenate([xy, z], axis=1).astype(np.float32)


def _matte(pixels: NDArray[np.uint8], landmarks: NDArray[np.float32], wide: NDArray[np.uint8] | None,
           notes: list[str]) -> NDArray[np.float32]:
    """By the network, or without it where it cannot be had: with a landmark file a portrait needs no network at all."""
    try:
        return person_matte(pixels, landmarks, wide)
    except (InputError, MissingPackage):
        notes.append("the person was cut out without the segmentation network, so the hair's edge is coarser")
        return matte_without_network(pixels, landmarks)


def _cut_out(image: NDArray[np.uint8], region: Region, landmarks: NDArray[np.float32], size: int,
             notes: list[str]) -> tuple[Portrait, NDArray[np.uint8]]:
    """The framed portrait and the background behind it; adds to `notes`."""
    crop, inside = cut(image, region, size)
    pixels = np.ascontiguousarray(crop[..., :3])
    cutout = crop.shape[2] == 4 and crop[..., 3].mean() < _CUTOUT * 255
    far, seen = cut(image[..., :3], Region(region.centre, region.side * WIDE, region.angle), size // 2)
    wide = far if seen[size // 4:].mean() > _SEEN else None
    matte = crop[..., 3].astype(np.float32) / 255 if cutout else _matte(pixels, landmarks, wide, notes)
    background = paint_background(pixels, np.maximum(matte, ~inside))
    if not inside.all():
        pixels, matte = extend(pixels, matte, inside, float(landmarks[_CHIN, 1]), background)
    return Portrait(pixels, landmarks, np.float32([[1, 0, 0], [0, 1, 0]]), matte), background
