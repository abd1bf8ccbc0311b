"""What Wav2Lip sees and hears: the published face box, its two stacked copies, and the mel window of a frame."""

import numpy as np
from numpy.typing import NDArray

SIDE = 96                                    # px of the network's face
ROWS = 16                                    # mel rows heard at once, 200 ms
RATE = 80                                    # mel rows per second
PADS = (0, 10, 0, 0)                         # px added to the face box: top, bottom, left, right


def hide_lower_half(faces: NDArray) -> NDArray:
    """A copy of faces [..., H, W, 3] with the lower half black."""
    hidden = faces.copy()
    hidden[..., faces.shape[-3] // 2:, :, :] = 0
    return hidden


def to_network(face: NDArray[np.uint8]) -> NDArray[np.float32]:
    """BGR u8 [96, 96, 3] -> f32 [6, 96, 96] in 0..1: the masked face, then the face itself as reference."""
    both = np.concatenate([hide_lower_half(face), face], 2)
    return np.ascontiguousarray(both.astype(np.float32).transpose(2, 0, 1) / np.float32(255))


def mel_window(mel: NDArray[np.float32], frame: int, fps: float) -> NDArray[np.float32]:
    """Mel rows [T, 80] of a file -> [1, 80, 16] for a frame number; the last window repeats at the end."""
    start = min(int(frame * RATE / fps), len(mel) - ROWS)
    return mel[start:start + ROWS].T[None]
