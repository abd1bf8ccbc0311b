"""Five looks at one mouth: the references DINet takes teeth, lips and skin from."""

import numpy as np
from numpy.typing import NDArray

from limner.engine.types import ARKIT, ARKIT_INDEX, POSE_SIZE, Expression
from limner.models.animators.morphable import MorphableAnimator

from .generator import REFERENCES

_UPPER_LIP, _LOWER_LIP, _RIGHT_CORNER, _LEFT_CORNER = 13, 14, 61, 291
# At rest, barely open, open with teeth, rounded, wide open: what the published method finds in a talking clip.
SHAPES: tuple[dict[str, float], ...] = (
    {},
    {"jawOpen": 0.16, "mouthLowerDownLeft": 0.15, "mouthLowerDownRight": 0.15},
    {"jawOpen": 0.3, "mouthStretchLeft": 0.35, "mouthStretchRight": 0.35, "mouthUpperUpLeft": 0.25, "mouthUpperUpRight": 0.25},
    {"jawOpen": 0.2, "mouthFunnel": 0.6, "mouthPucker": 0.3},
    {"jawOpen": 0.55, "mouthLowerDownLeft": 0.2, "mouthLowerDownRight": 0.2},
)


def expression(shape: dict[str, float]) -> Expression:
    """Named ARKit weights as an Expression without pose."""
    weights = np.zeros(len(ARKIT), np.float32)
    for name, value in shape.items():
        weights[ARKIT_INDEX[name]] = value
    return Expression(weights, np.zeros(POSE_SIZE, np.float32), 0)


def drawn(face: MorphableAnimator) -> list[NDArray[np.uint8]]:
    """A seated portrait at the five shapes, u8 RGB [size, size, 3] each. One photo is enough."""
    return [face.draw_expression(expression(shape)) for shape in SHAPES]


def opening(landmarks: NDArray[np.float32]) -> NDArray[np.float32]:
    """Gap between the lips over the mouth's width, of landmarks [n, 478, 2+]."""
    points = landmarks[..., :2]
    gap = np.linalg.norm(points[:, _LOWER_LIP] - points[:, _UPPER_LIP], axis=1)
    return gap / np.linalg.norm(points[:, _LEFT_CORNER] - points[:, _RIGHT_CORNER], axis=1)


def chosen(landmarks: NDArray[np.float32]) -> list[int]:
    """Five frames of a clip, from the most closed mouth to the widest open in even steps of opening."""
    gaps = opening(landmarks)
    targets = np.linspace(gaps.min(), gaps.max(), REFERENCES)
    picked: list[int] = []
    for target in targets:
        order = np.argsort(np.abs(gaps - target), kind="stable")
        fresh = [int(i) for i in order if int(i) not in picked]
        picked.append(fresh[0] if fresh else int(order[0]))
    return picked
