"""A small clip that anyone can make: a ball that moves, and a tone."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from limner.engine.types import AudioChunk, Frame
from limner.models.face.colour import to_picture
from limner.streams.mp4 import Mp4Writer

SIZE = (96, 128)


def picture(k: float) -> NDArray[np.uint8]:
    """Frame `k`: smooth ground, a soft disc 3 px further right each frame."""
    y, x = np.mgrid[:SIZE[0], :SIZE[1]]
    ball = 1 / (1 + np.exp(np.hypot(y - 48, x - 25 - 3 * k) - 14))
    ground = 90 + 30 * np.sin(x / 20) * np.cos(y / 15)
    return np.stack([ground + 120 * ball, ground + 40 * ball, ground - 50 * ball], -1).clip(0, 255).astype(np.uint8)


def film(path: Path, frames: int = 12, *, sound: bool = True) -> Path:
    """`frames` at 25 per second with 48 kHz sound of the same length."""
    writer = Mp4Writer(path, size=SIZE, fps=25, rate=48_000, origin=0)
    for k in range(frames):
        if sound:
            samples = 0.3 * np.sin(2 * np.pi * 440 * np.arange(1920) / 48_000).astype(np.float32)
            writer.play(AudioChunk(samples, 48_000, 1920 * k, 3600 * k, 0))
        writer.show(to_picture(Frame(picture(k), 3600 * k, 3600, 0)))
    writer.close()
    return path
