"""Stress in a voice: where loudness and pitch rise together, the brows lift and the head nods.

Beats of head and brow follow pitch accents within about 100 ms (Hadar et al. 1983; Graf et al. 2002).
"""

import math

import numpy as np
from numpy.typing import NDArray

from .windowing import Windower

RATE, HOP, WINDOW = 16_000, 160, 512
DECIMATE = 4                            # pitch is looked for at 4 kHz
LAGS = np.arange(10, 54)                # 74 to 400 Hz at 4 kHz
VOICED = 0.55                           # normalised autocorrelation of a clear voice
FAST, SLOW = 0.35, 0.012                # smoothing per hop: about 30 ms and 800 ms
REFRACTORY = 45                         # hops between two beats
BEAT = 30                               # hops a beat lasts
RISE_DB, RISE_TONES = 5.0, 1.5          # a rise of this size in both counts as full stress
THRESHOLD = 0.25


def pitch(windows: NDArray) -> tuple[NDArray, NDArray, NDArray]:
    """Of windows [n, 512]: fundamental frequency in semitones over 55 Hz (NaN where unvoiced), level in dB, and
    periodicity (height of the autocorrelation's peak, near 1 for a clear voice, under 0.55 for breath).
    """
    level = 10 * np.log10((windows ** 2).mean(1) + 1e-9)
    slow = windows.reshape(len(windows), WINDOW // DECIMATE, DECIMATE).mean(2)
    slow = slow - slow.mean(1, keepdims=True)
    n = slow.shape[1]
    spectrum = np.fft.rfft(slow, 2 * n)
    correlation = np.fft.irfft(np.abs(spectrum) ** 2)[:, : LAGS[-1] + 1]
    strength = correlation[:, LAGS] / (correlation[:, :1] + 1e-9)
    best = strength.argmax(1)               # the window's own taper prefers the fundamental to its multiples
    strength = strength * (n / (n - LAGS))
    hertz = RATE / DECIMATE / LAGS[best]
    tones = 12 * np.log2(hertz / 55)
    periodicity = strength[np.arange(len(best)), best]
    return np.where(periodicity > VOICED, tones, np.nan), level, periodicity


class Prosody:
    """Incremental stress detector; any chunking equals one pass."""

    def __init__(self) -> None:
        self._windower = Windower(WINDOW, HOP, WINDOW - HOP)
        self.reset()

    def reset(self) -> None:
        self._windower.reset()
        self._level = self._level_mean = -60.0
        self._tone = self._tone_mean = math.nan
        self._since = REFRACTORY
        self._strength = 0.0

    def push(self, samples: NDArray) -> NDArray[np.float32]:
        """Samples [n] at 16 kHz -> [k, 3] per complete hop: nod and brow in [0, 1], periodicity."""
        tones, levels, periodicity = pitch(self._windower.push(samples))
        beats = [self._step(t, e) for t, e in zip(tones.tolist(), levels.tolist(), strict=True)]
        return np.column_stack([np.array(beats, np.float32).reshape(-1, 2), periodicity])

    def _step(self, tone: float, level: float) -> tuple[float, float]:
        self._level += FAST * (level - self._level)
        self._level_mean += SLOW * (max(level, self._level_mean - 12) - self._level_mean)
        if not math.isnan(tone):
            self._tone = tone if math.isnan(self._tone) else self._tone + FAST * (tone - self._tone)
            self._tone_mean = tone if math.isnan(self._tone_mean) else self._tone_mean + SLOW * (tone - self._tone_mean)
        self._since += 1
        stress = self._stress() if not math.isnan(tone) else 0.0
        if stress > THRESHOLD and self._since >= REFRACTORY:
            self._since, self._strength = 0, min(1.0, 0.4 + 0.6 * stress)
        return self._beat()

    def _stress(self) -> float:
        louder = min(1.0, max(0.0, (self._level - self._level_mean) / RISE_DB))
        higher = min(1.0, max(0.0, (self._tone - self._tone_mean) / RISE_TONES))
        return louder * higher

    def _beat(self) -> tuple[float, float]:
        """A smooth bump for the head, a longer one for the brows."""
        nod = math.sin(math.pi * self._since / BEAT) ** 2 if self._since < BEAT else 0.0
        long = BEAT * 1.5
        brow = math.sin(math.pi * self._since / long) ** 2 if self._since < long else 0.0
        return nod * self._strength, brow * self._strength
