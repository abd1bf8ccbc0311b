"""From a talking video to DINet's training clips, piece by piece: pictures, our own landmarks, crops."""

from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from limner.models.dinet import crop
from limner.models.idleclip import follow, steady
from limner.models.video import at_rate, open_video

from .dinet_data import FPS, LENGTH, Footage, cut_clips, join

_PIECE = 25 * LENGTH                         # frames in memory at once


def prepare(path: Path, logits: NDArray[np.float32], mouth: int, seed: int) -> Footage:
    """The clips of one video whose sound gave `logits` [m, 29] at 25 Hz. Raises MediaError or PortraitError."""
    rng = np.random.default_rng(seed)
    parts, begun = [], 0
    with open_video(path) as (rate, pictures):
        frames = at_rate(pictures, rate, FPS)
        while (piece := list(islice(frames, _PIECE))) and begun < len(logits):
            marks = steady(follow(piece, path))[:, list(crop.MULTI_PIE), :2]
            parts.append(cut_clips(piece, marks, logits[begun:begun + _PIECE], mouth, rng))
            begun += len(piece)
    return join(parts, str(path))
