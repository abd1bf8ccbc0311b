"""Mel-frequency cepstra as the field's `python_speech_features` defines them: DeepSpeech's 26, SyncNet's 13.

Davis & Mermelstein 1980, with that package's choices: HTK mel scale, filter edges on whole FFT bins, rectangular window,
pre-emphasis 0.97, orthonormal DCT-II, sinusoidal lifter 22, and the log energy in place of coefficient 0.
Samples are taken in [-1, 1] and scaled to 16-bit units inside, as the networks were trained.
"""

import numpy as np
from numpy.typing import NDArray

from limner.models.windowed import WindowedFeatures
from limner.models.windowing import Windower

RATE, WINDOW, HOP, N_FFT, FILTERS, LIFTER, EMPHASIS = 16_000, 400, 160, 512, 26, 22, 0.97
INT16 = 32768.0


def htk_filters() -> NDArray[np.float64]:
    """Triangles with edges on whole bins, [N_FFT/2 + 1, FILTERS], 0 Hz to half the rate."""
    mel = np.linspace(0, 2595 * np.log10(1 + RATE / 2 / 700), FILTERS + 2)
    edges = np.floor((N_FFT + 1) * 700 * (10 ** (mel / 2595) - 1) / RATE)
    low, mid, high = edges[:-2], edges[1:-1], edges[2:]
    bins = np.arange(N_FFT // 2 + 1)[:, None]
    rise = np.where((bins >= low) & (bins < mid), (bins - low) / (mid - low), 0)
    return rise + np.where((bins >= mid) & (bins < high), (high - bins) / (high - mid), 0)


def liftered_dct(ceps: int) -> NDArray[np.float64]:
    """Orthonormal DCT-II followed by the lifter, [FILTERS, ceps]."""
    k, n = np.arange(ceps), np.arange(FILTERS)[:, None]
    basis = np.cos(np.pi * k * (2 * n + 1) / (2 * FILTERS)) * np.sqrt(2 / FILTERS)
    basis[:, 0] /= np.sqrt(2)
    return basis * (1 + LIFTER / 2 * np.sin(np.pi * k / LIFTER))


class Mfcc(WindowedFeatures):
    """Streaming cepstra: rows f32 [n, ceps] at 100 Hz, row i from the 25 ms that start at its instant."""

    def __init__(self, ceps: int = 13):
        self._filters, self._dct = htk_filters(), liftered_dct(ceps)
        super().__init__(Windower(WINDOW, HOP), rate=RATE, width=ceps, emphasis=EMPHASIS, scale=INT16)

    def rows_of(self, windows: NDArray[np.float64]) -> NDArray[np.float32]:
        power = np.abs(np.fft.rfft(windows, N_FFT)) ** 2 / N_FFT
        tiny = np.finfo(np.float64).eps
        energy = np.maximum(power.sum(1), tiny)
        ceps = np.log(np.maximum(power @ self._filters, tiny)) @ self._dct
        ceps[:, 0] = np.log(energy)
        return ceps.astype(np.float32)


def mfcc(samples: NDArray, ceps: int = 13) -> NDArray[np.float32]:
    """A whole recording [n] in [-1, 1], the last window padded with zeros: [rows, ceps]."""
    return Mfcc(ceps).whole(samples)
