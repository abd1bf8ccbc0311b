"""What the engine takes as sound: 16 kHz, mono, f32, finite. Checked where it comes in, once."""

import numpy as np
from numpy.typing import NDArray

from .clock import SAMPLE_RATE
from .errors import InputError
from .types import AudioChunk


def checked(chunk: AudioChunk) -> NDArray[np.float32]:
    """The chunk's samples, f32 [n]. Raises InputError for another rate or shape."""
    if chunk.rate != SAMPLE_RATE:
        raise InputError(f"sound at {chunk.rate} Hz; the engine hears {SAMPLE_RATE} Hz: resample it first")
    return mono(chunk.samples)


def mono(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """f32 [n] with whatever is not a number made silent. Raises InputError for another shape or for integers."""
    if samples.ndim != 1 or not np.issubdtype(samples.dtype, np.floating):
        raise InputError(f"sound of shape {samples.shape}, {samples.dtype}; mono floats [n] in [-1, 1] are expected")
    return np.nan_to_num(samples.astype(np.float32, copy=False), nan=0.0, posinf=0.0, neginf=0.0)
