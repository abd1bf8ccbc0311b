"""A photo that lives: the embedded face draws it blinking, breathing and swaying, for networks that only draw mouths."""

import numpy as np
from numpy.typing import NDArray

from limner.engine.clock import TICKS
from limner.engine.types import Portrait
from limner.models.animators.morphable import MorphableAnimator
from limner.models.drivers.idle import IdleDriver
from limner.models.face.deform import new_posed, pose

from .idleclip import IdleClip

_DURATION = TICKS // 25


def seated(portrait: Portrait, size: int, background: NDArray[np.uint8] | None = None) -> MorphableAnimator:
    """The embedded face, ready to draw the portrait at `size` px."""
    face = MorphableAnimator(size=size)
    face.sit(portrait, background)
    return face


def live(face: MorphableAnimator, portrait: Portrait, frames: int, seed: int, liveliness: float) -> IdleClip:
    """`frames` pictures of a silent listener at 25 per second, with the landmarks moved as the face was."""
    idle = IdleDriver(seed, liveliness)
    rig = face.renderer.rig
    posed = new_posed(rig)
    scale = face.size[0] / portrait.image.shape[0]
    rest = (portrait.landmarks * scale + [(scale - 1) / 2, (scale - 1) / 2, 0]).astype(np.float32)
    count = min(468, len(rest))                        # the mesh's own points; irises stay where they were
    pictures, landmarks = [], []
    for number in range(frames):
        now = idle.at(number * _DURATION)
        weights, turn = now.expression.weights, now.expression.pose
        pictures.append(face.renderer.draw(weights, turn, 0.0, now.breath)[0].copy())
        pose(rig, weights, turn, 0.0, now.breath, posed)
        moved = rest.copy()
        moved[:count, :2] += posed.px[:count] - rig.mesh.rest[:count]
        landmarks.append(moved)
    return IdleClip(np.stack(pictures), np.stack(landmarks), _DURATION)
