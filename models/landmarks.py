"""Measure a face: 468 mesh points in 3D (Kartynnik et al. 2019, arXiv:1907.06724) and two irises (arXiv:2006.11341).

The mesh network answers best when the face fills its crop in the way it was trained on, so it is run on the detector's
box, then on crops framed by its own answer; the last answers are averaged over slightly shifted, scaled and turned
crops, which removes most of the crop's influence on the points. The iris network then gives the pupils and finer lids.
"""

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from .blazeface import Detection
from .tflite import network

POINTS = 478                         # 468 mesh, then 5 per iris: right 468-472, left 473-477 (the person's own sides)
MIN_PRESENCE = 0.8                   # the mesh network's own opinion whether its crop shows a face
RIGHT_EYE, LEFT_EYE = (33, 133), (362, 263)              # corner points, in the order they lie in the picture
# The 16 lid points in the iris network's order (lower lid from corner to corner, then upper lid).
_RIGHT_LIDS = (33, 7, 163, 144, 145, 153, 154, 155, 133, 246, 161, 160, 159, 158, 157, 173)
_LEFT_LIDS = (263, 249, 390, 373, 374, 380, 381, 382, 362, 466, 388, 387, 386, 385, 384, 398)
_MESH_SIDE, _EYE_SIDE = 192, 64      # px of the network inputs
_FRAME, _EYE_FRAME = 1.5, 2.3        # crop side over the face's box, over the eye's width
_JITTER = ((0, 0, 1, 0), (0.02, 0, 1, 0), (-0.02, 0, 1, 0), (0, 0.02, 1, 0), (0, -0.02, 1, 0),
           (0, 0, 1.05, 0), (0, 0, 0.95, 0), (0, 0, 1, 0.05), (0, 0, 1, -0.05))   # shift x, y (of the side), scale, rad


@dataclass(frozen=True, slots=True)
class Region:
    """A turned square: centre and side in px, angle in radians (positive: the face leans clockwise in the picture)."""

    centre: NDArray[np.float32]      # [2]
    side: float
    angle: float

    def to_crop(self, size: int) -> NDArray[np.float32]:
        """Affine [2, 3] from picture pixels to pixels of the upright `size` x `size` crop."""
        scale = size / self.side
        c, s = np.cos(self.angle) * scale, np.sin(self.angle) * scale
        turn = np.array([[c, s], [-s, c]])
        shift = size / 2 - turn @ np.asarray(self.centre, float)
        return np.concatenate([turn, shift[:, None]], axis=1).astype(np.float32)


def measure(image: NDArray[np.uint8], face: Detection) -> tuple[NDArray[np.float32], float]:
    """Landmarks f32 [478, 3] in px of u8 RGB `image` (z: towards the camera negative) and the
    least presence score of all crops, in [0, 1]: what is no face loses it when its crop moves a little.
    """
    region = _frame_detection(face)
    for _ in range(2):
        mesh, _ = _mesh(image, region)
        region = _frame_mesh(mesh)
    meshes, scores = zip(*(_mesh(image, _jittered(region, *step)) for step in _JITTER), strict=True)
    mesh = np.mean(meshes, axis=0)
    return _add_irises(image, mesh), float(min(scores))


def resample(image: NDArray[np.uint8], affine: NDArray[np.float32], size: tuple[int, int],
             border: int = cv2.BORDER_CONSTANT) -> NDArray[np.uint8]:
    """`image` through `affine` onto (width, height) `size`, without aliasing when it shrinks, sharp when it grows."""
    shrink = 1 / float(np.hypot(affine[0, 0], affine[1, 0]))
    affine = affine.astype(float)
    image, affine = _part_in_view(image, affine, size, margin=math.ceil(4 * max(1, shrink)))
    if shrink > 1.25:                # first to about the target's resolution by area, then turn and shift
        width, height = (max(1, round(n / shrink)) for n in (image.shape[1], image.shape[0]))
        sx, sy = width / image.shape[1], height / image.shape[0]
        image = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
        # cv2.resize aligns pixel edges, an affine pixel centres: x_small = (x + 0.5) * s - 0.5.
        affine = affine @ np.array([[1 / sx, 0, 0.5 / sx - 0.5], [0, 1 / sy, 0.5 / sy - 0.5], [0, 0, 1]])
    return cv2.warpAffine(image, affine, size, flags=cv2.INTER_LANCZOS4 if shrink < 1 else cv2.INTER_CUBIC,
                          borderMode=border)


def _part_in_view(image: NDArray[np.uint8], affine: NDArray[np.float64], size: tuple[int, int],
                  margin: int) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """The part of the picture that `affine` brings into view, `margin` px more, and the affine from there."""
    corners = np.array([[0, 0, 1], [size[0], 0, 1], [0, size[1], 1], [size[0], size[1], 1]])
    seen = corners @ cv2.invertAffineTransform(affine).T
    limit = np.array(image.shape[1::-1])
    low = np.clip(np.floor(seen.min(0)) - margin, 0, limit - 1).astype(int)
    high = np.clip(np.ceil(seen.max(0)) + margin, low + 1, limit).astype(int)
    part = image[low[1]:high[1], low[0]:high[0]]
    return part, affine @ np.array([[1, 0, low[0]], [0, 1, low[1]], [0, 0, 1]])


def eye_distance(landmarks: NDArray[np.float32]) -> float:
    """px between the outer eye corners (the inter-ocular distance of the face alignment literature), measured in 3D."""
    return float(np.linalg.norm(landmarks[RIGHT_EYE[0]] - landmarks[LEFT_EYE[1]]))


def roll(landmarks: NDArray[np.float32]) -> float:
    """Lean of the head in the picture plane in radians, from the eyes and the line from brow to chin."""
    eyes = landmarks[list(LEFT_EYE)].mean(0) - landmarks[list(RIGHT_EYE)].mean(0)
    return float(np.arctan2(eyes[1], eyes[0]))


def _frame_detection(face: Detection) -> Region:
    right, left = face.points[0], face.points[1]
    angle = np.arctan2(left[1] - right[1], left[0] - right[0])
    side = float(np.max(face.box[2:] - face.box[:2])) * _FRAME
    return Region((face.box[:2] + face.box[2:]) / 2, side, float(angle))


def _frame_mesh(mesh: NDArray[np.float32]) -> Region:
    angle = roll(mesh)
    c, s = np.cos(angle), np.sin(angle)
    upright = mesh[:, :2] @ np.array([[c, -s], [s, c]], np.float32)
    low, high = upright.min(0), upright.max(0)
    centre = np.array([[c, -s], [s, c]]) @ ((low + high) / 2)
    return Region(centre.astype(np.float32), float((high - low).max()) * _FRAME, angle)


def _jittered(region: Region, dx: float, dy: float, scale: float, turn: float) -> Region:
    shift = np.float32([dx, dy]) * np.float32(region.side)
    return Region(region.centre + shift, region.side * scale, region.angle + turn)


def _mesh(image: NDArray[np.uint8], region: Region) -> tuple[NDArray[np.float32], float]:
    """One answer of the mesh network: points [468, 3] in picture px and the presence score."""
    affine = region.to_crop(_MESH_SIDE)
    crop = resample(image, affine, (_MESH_SIDE, _MESH_SIDE)).astype(np.float32) / 255
    outputs = network("face_landmark.tflite")(crop)
    presence = 1 / (1 + np.exp(-np.clip(outputs[1][0], -80, 80)))
    return _back(outputs[468 * 3].reshape(468, 3), affine), float(presence)


def _back(points: NDArray[np.float32], affine: NDArray[np.float32]) -> NDArray[np.float32]:
    """Points [n, 3] of a crop to picture px; z is in crop px, so it scales like x."""
    inverse = cv2.invertAffineTransform(affine)
    xy = points[:, :2] @ inverse[:, :2].T + inverse[:, 2]
    z = points[:, 2:] * np.hypot(inverse[0, 0], inverse[1, 0])
    return np.concatenate([xy, z], axis=1).astype(np.float32)


def _add_irises(image: NDArray[np.uint8], mesh: NDArray[np.float32]) -> NDArray[np.float32]:
    right, right_lids = _eye(image, mesh, RIGHT_EYE, mirrored=False)
    left, left_lids = _eye(image, mesh, LEFT_EYE, mirrored=True)
    points = np.concatenate([mesh, right, left])
    for names, lids in ((_RIGHT_LIDS, right_lids), (_LEFT_LIDS, left_lids)):
        width = np.linalg.norm(mesh[names[0], :2] - mesh[names[8], :2])
        moved = np.linalg.norm(lids - mesh[list(names), :2], axis=1)
        if moved.max() < 0.35 * width:               # else the eye is hidden or shut and the mesh knows better
            inner = [n for i, n in enumerate(names) if i not in (0,
                                                                 8)]      # corners: the mesh is the better of the two
            points[inner, :2] = (points[inner, :2] + np.delete(lids, (0, 8), axis=0)) / 2
    return points


def _eye(image: NDArray[np.uint8], mesh: NDArray[np.float32], corners: tuple[int, int],
         mirrored: bool) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Iris [5, 3] (centre, then the points to the picture's right, top, left, bottom) and lids [16, 2] of one eye.

    The network knows right eyes; a left one is shown to it in a mirror.
    """
    a, b = mesh[corners[0]], mesh[corners[1]]
    side = float(np.linalg.norm(b[:2] - a[:2])) * _EYE_FRAME
    affine = Region((a[:2] + b[:2]) / 2, side, roll(mesh)).to_crop(_EYE_SIDE)
    crop = resample(image, affine, (_EYE_SIDE, _EYE_SIDE)).astype(np.float32) / 255
    outputs = network("iris_landmark.tflite")(crop[:, ::-1] if mirrored else crop)
    iris, lids = outputs[15].reshape(5, 3).copy(), outputs[213].reshape(71, 3)[:16].copy()
    if mirrored:
        iris[:, 0], lids[:, 0] = _EYE_SIDE - 1 - iris[:, 0], _EYE_SIDE - 1 - lids[:, 0]
    iris = _back(iris, affine)
    iris[:, 2] = (a[2] + b[2]) / 2
    order = np.concatenate([[0], 1 + _clockwise_from_right(iris[1:, :2] - iris[0, :2])])
    return iris[order], _back(lids, affine)[:, :2]


def _clockwise_from_right(offsets: NDArray[np.float32]) -> NDArray[np.intp]:
    """Order of four rim points: right, top, left, bottom of the picture."""
    return np.array([offsets[:, 0].argmax(), offsets[:, 1].argmin(), offsets[:, 0].argmin(), offsets[:, 1].argmax()])
