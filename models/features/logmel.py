"""Log-mel spectra of a stream, for every network here that listens to mel bands.

Two settings are given: `DRIVER` (the embedded face's speech driver: 100 rows a second, natural log of power) and
`WAV2LIP` (80 rows a second in the units that network was trained on). Mel scale and filters after Slaney (Auditory
Toolbox, 1998): linear below 1 kHz, logarithmic above, area-normalised triangles.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from limner.models.windowed import WindowedFeatures
from limner.models.windowing import Windower

LINEAR_STEP, KNEE, LOG_STEP = 200 / 3, 1000.0, np.log(6.4) / 27     # Hz per mel below the knee, Hz, log-Hz per mel above


@dataclass(frozen=True, slots=True)
class MelSpec:
    """What is computed. `lead` samples of a window lie before the first sample of its row's hop."""

    rate: int = 16_000              # Hz
    window: int = 400               # samples, periodic Hann
    n_fft: int = 512
    hop: int = 160                  # samples
    lead: int = 120
    mels: int = 80
    low: float = 40.0               # Hz
    high: float = 7600.0            # Hz
    power: float = 2.0              # exponent of the magnitude before the mel sum
    emphasis: float = 0.0           # pre-emphasis coefficient
    decibel: bool = False           # Wav2Lip's dB scale clipped to +-4, else the natural log
    floor: float = 1e-8             # added to the power under the natural log
    reflect: bool = False           # mirror the ends of the stream as librosa's centred STFT does


DRIVER = MelSpec()
WAV2LIP = MelSpec(window=800, n_fft=800, hop=200, lead=400, low=55.0, power=1.0, emphasis=0.97, decibel=True, reflect=True)


def slaney_hz(mel: NDArray) -> NDArray:
    """Mel to Hz on Slaney's scale."""
    knee = KNEE / LINEAR_STEP
    return np.where(mel < knee, mel * LINEAR_STEP, KNEE * np.exp(LOG_STEP * (mel - knee)))


def slaney_mel(hz: float) -> float:
    return hz / LINEAR_STEP if hz < KNEE else KNEE / LINEAR_STEP + float(np.log(hz / KNEE)) / LOG_STEP


def mel_filters(spec: MelSpec) -> NDArray[np.float64]:
    """Area-normalised triangles, [n_fft/2 + 1, mels]."""
    edges = slaney_hz(np.linspace(slaney_mel(spec.low), slaney_mel(spec.high), spec.mels + 2))
    bins = np.linspace(0, spec.rate / 2, spec.n_fft // 2 + 1)[:, None]
    rise = (bins - edges[:-2]) / (edges[1:-1] - edges[:-2])
    fall = (edges[2:] - bins) / (edges[2:] - edges[1:-1])
    return np.maximum(0, np.minimum(rise, fall)) * (2 / (edges[2:] - edges[:-2]))


class LogMel(WindowedFeatures):
    """Streaming log-mel extractor: rows f32 [n, mels]; the ends of the stream are mirrored or padded with zeros."""

    def __init__(self, spec: MelSpec = DRIVER):
        self.spec = spec
        self._hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(spec.window) / spec.window)
        self._filters = mel_filters(spec)
        windower = Windower(spec.window, spec.hop, spec.lead, reflect=spec.reflect)
        super().__init__(windower, rate=spec.rate, width=spec.mels, emphasis=spec.emphasis)

    def rows_of(self, windows: NDArray[np.float64]) -> NDArray[np.float32]:
        spec = self.spec
        magnitude = np.abs(np.fft.rfft(windows * self._hann, spec.n_fft))
        mel = (magnitude ** spec.power) @ self._filters
        if not spec.decibel:
            return np.log(mel + spec.floor).astype(np.float32)
        level = 20 * np.log10(np.maximum(1e-5, mel)) - 20
        return np.clip(8 * (level + 100) / 100 - 4, -4, 4).astype(np.float32)


def log_mel(samples: NDArray, spec: MelSpec = DRIVER) -> NDArray[np.float32]:
    """A whole recording [n] at once, ends included: [rows, mels]."""
    return LogMel(spec).whole(samples)
