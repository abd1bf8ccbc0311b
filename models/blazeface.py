"""Find faces: the two BlazeFace detectors (Bazarevsky et al. 2019, arXiv:1907.05047), at several scales and turns.

The short-range network sees faces from about a fifth of its 128 px input upward, the full-range one (192 px) smaller
ones. Both are run on the whole picture; when nothing is found, on overlapping tiles of it (a full-length photograph),
and then with the picture turned (a scan lying on its side).
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from .tflite import network

MIN_SCORE = 0.5                      # photographs; paintings and drawings come down to about 0.3
_TILE_SIDES = (0.6, 0.36)            # of the longer side
_TURNS = (0, 90, 270, 180, 30, 330)  # degrees, tried in this order
_TURNED = 640                        # px; a turned picture is looked at no larger, both networks take 192 px or less
_SURE = 0.75                         # score that ends the search; a face upside down can reach 0.6
_SAME_FACE = 0.3                     # shared part of the smaller box above which two boxes are one face


@dataclass(frozen=True, slots=True)
class Detection:
    """One face in px. `box` is x0, y0, x1, y1; `points` [6, 2]: right and left eye, nose tip, mouth, right and left ear."""

    score: float
    box: NDArray[np.float32]
    points: NDArray[np.float32]

    @property
    def area(self) -> float:
        """px^2"""
        return float(np.prod(self.box[2:] - self.box[:2]))


@dataclass(frozen=True, slots=True)
class _Detector:
    name: str
    side: int                        # px of the square input
    grids: tuple[tuple[int, int], ...]   # (cells per side, anchors per cell) of each output layer


_DETECTORS = (
    _Detector("face_detection_short_range.tflite", 128, ((16, 2), (8, 6))),
    _Detector("face_detection_full_range_sparse.tflite", 192, ((48, 1),)),
)


def detect(image: NDArray[np.uint8], min_score: float = MIN_SCORE) -> list[Detection]:
    """Faces in u8 RGB [H, W, 3], left to right; an empty list when there are none.

    A face found at a large scale ends the search, so small background faces beside a portrait's sitter are not sought.
    The picture is turned while nothing sure is found, and the turn with the surest face counts.
    """
    best: list[Detection] = []
    for turn in _TURNS:
        turned, back = _turn(image, turn)
        found = _merge(_whole(turned, min_score))
        if not found and turn == 0:
            found = _merge(_tiles(turned, min_score))
        if _surest(found) > _surest(best):
            best = [_map(face, back) for face in found]
        if _surest(best) >= _SURE:
            break
    return sorted(best, key=lambda face: float(face.box[0]))


def _surest(faces: list[Detection]) -> float:
    return max((face.score for face in faces), default=0.0)


def _whole(image: NDArray[np.uint8], min_score: float) -> list[Detection]:
    return [face for detector in _DETECTORS for face in _run(detector, image, min_score)]


def _tiles(image: NDArray[np.uint8], min_score: float) -> list[Detection]:
    found = []
    for x, y, side in _windows(image.shape[1], image.shape[0]):
        shift = np.float32([[1, 0, x], [0, 1, y]])
        found += [_map(face, shift) for face in _whole(image[y:y + side, x:x + side], min_score)]
    return found


def _windows(width: int, height: int) -> Iterator[tuple[int, int, int]]:
    for part in _TILE_SIDES:
        side = round(part * max(width, height))
        for y in _starts(height, side):
            for x in _starts(width, side):
                yield x, y, side


def _starts(length: int, side: int) -> list[int]:
    """Offsets of windows that cover `length` with about half overlap."""
    if length <= side:
        return [0]
    count = int(np.ceil((length - side) / (side * 0.5))) + 1
    return [round(v) for v in np.linspace(0, length - side, count)]


@cache
def _anchors(detector: _Detector) -> NDArray[np.float32]:
    """Anchor centres [n, 2] in [0, 1]; every anchor is one unit wide and high."""
    layers = []
    for cells, per_cell in detector.grids:
        y, x = np.mgrid[:cells, :cells].astype(np.float32)
        centres = (np.stack([x, y], -1).reshape(-1, 2) + 0.5) / cells
        layers.append(np.repeat(centres, per_cell, axis=0))
    return np.concatenate(layers)


def _run(detector: _Detector, image: NDArray[np.uint8], min_score: float) -> list[Detection]:
    """Letterbox to the network's square, run, decode offsets from the anchors."""
    height, width = image.shape[:2]
    scale = detector.side / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    square = np.zeros((detector.side, detector.side, 3), np.float32)
    square[:size[1], :size[0]] = small / np.float32(127.5) - 1
    anchors = _anchors(detector)
    outputs = network(detector.name)(square)
    scores = 1 / (1 + np.exp(-np.clip(outputs[len(anchors)], -80, 80)))
    keep = np.flatnonzero(scores >= min_score)
    raw = outputs[16 * len(anchors)].reshape(-1, 8, 2)[keep] / detector.side      # centre, size, six points
    points = (raw[:, 2:] + anchors[keep, None]) * (detector.side / scale)
    centre = (raw[:, 0] + anchors[keep]) * (detector.side / scale)
    half = raw[:, 1] * (detector.side / scale / 2)
    boxes = np.concatenate([centre - half, centre + half], axis=1)
    return [Detection(float(s), b, p) for s, b, p in zip(scores[keep], boxes, points, strict=True)]


def _merge(faces: list[Detection]) -> list[Detection]:
    """Weighted non-maximum suppression: overlapping answers become their mean, weighted by score."""
    rest = sorted(faces, key=lambda face: -face.score)
    merged = []
    while rest:
        group = [face for face in rest if _overlap(rest[0], face) > _SAME_FACE]
        rest = [face for face in rest if _overlap(rest[0], face) <= _SAME_FACE]
        weight = np.float32([face.score for face in group])
        weight /= weight.sum()
        box = np.einsum("n,nk->k", weight, np.stack([face.box for face in group]))
        points = np.einsum("n,nkc->kc", weight, np.stack([face.points for face in group]))
        merged.append(Detection(group[0].score, box, points))
    return merged


def _overlap(a: Detection, b: Detection) -> float:
    """Shared area over the smaller one: a face found again at another scale counts as the same."""
    low, high = np.maximum(a.box[:2], b.box[:2]), np.minimum(a.box[2:], b.box[2:])
    shared = float(np.prod(np.maximum(high - low, 0)))
    return shared / max(min(a.area, b.area), 1e-6)


def _turn(image: NDArray[np.uint8], degrees: int) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """The picture turned anticlockwise on a canvas that holds it, and the affine [2, 3] back to its own pixels."""
    height, width = image.shape[:2]
    if degrees == 0:
        return image, np.float32([[1, 0, 0], [0, 1, 0]])
    scale = min(1.0, _TURNED / max(height, width))
    small = cv2.resize(image, (max(1, round(width * scale)), max(1, round(height * scale))), interpolation=cv2.INTER_AREA)
    middle = small.shape[1] / 2, small.shape[0] / 2
    side = math.ceil(2 * math.hypot(*middle))
    matrix = cv2.getRotationMatrix2D(middle, degrees, 1.0)
    matrix[:, 2] += side / 2 - np.array(middle)
    turned = cv2.warpAffine(small, matrix, (side, side), flags=cv2.INTER_LINEAR)
    back = cv2.invertAffineTransform(matrix) / np.array([[small.shape[1] / width], [small.shape[0] / height]])
    return turned, back.astype(np.float32)


def _map(face: Detection, affine: NDArray[np.float32]) -> Detection:
    points = face.points @ affine[:, :2].T + affine[:, 2]
    x0, y0, x1, y1 = face.box
    corners = np.float32([[x0, y0], [x1, y0], [x0, y1], [x1, y1]]) @ affine[:, :2].T + affine[:, 2]
    return Detection(face.score, np.concatenate([corners.min(0), corners.max(0)]), points)
