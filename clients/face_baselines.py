"""What the speech driver must beat: lips driven by loudness, and by a formant rule."""

import numpy as np
from numpy.typing import NDArray

HOP, WINDOW, RATE, ORDER = 160, 400, 16_000, 14
F1_CLOSED, F1_OPEN = 250.0, 800.0         # Hz
F2_ROUND, F2_SPREAD = 900.0, 2200.0       # Hz


def _windows(x: NDArray) -> NDArray:
    """25 ms centred on every 10 ms hop, [n, 400]."""
    side = (WINDOW - HOP) // 2
    padded = np.pad(np.asarray(x, np.float64), (side, WINDOW))
    return np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::HOP][: len(x) // HOP]


def _smooth(curve: NDArray, sigma: float = 2.5) -> NDArray:
    taps = np.exp(-0.5 * (np.arange(-8, 9) / sigma) ** 2)
    return np.convolve(curve, taps / taps.sum(), "same")


def _loudness(x: NDArray) -> NDArray:
    level = np.sqrt((_windows(x) ** 2).mean(1))
    return np.clip(level / (np.quantile(level, 0.98) + 1e-9), 0, 1)


def energy_jaw(x: NDArray) -> tuple[NDArray, NDArray]:
    """Opening follows the RMS level; the width narrows as the jaw drops. Two curves per hop, arbitrary units."""
    opening = _smooth(_loudness(x))
    return opening, -opening


def formants(x: NDArray) -> NDArray:
    """First two formants in Hz by linear prediction (autocorrelation method, order 14), [n, 2]."""
    emphasised = np.append(x[:1], x[1:] - 0.97 * x[:-1])
    windows = _windows(emphasised) * np.hamming(WINDOW)
    spectrum = np.abs(np.fft.rfft(windows, 1024)) ** 2
    lags = np.fft.irfft(spectrum)[:, : ORDER + 1]
    out = np.full((len(windows), 2), (500.0, 1500.0))
    toeplitz = np.abs(np.subtract.outer(np.arange(ORDER), np.arange(ORDER)))
    for i, r in enumerate(lags):
        if r[0] < 1e-6:
            continue
        a = np.linalg.solve(r[toeplitz] + 1e-6 * r[0] * np.eye(ORDER), r[1:])
        roots = np.roots(np.append(1, -a))
        roots = roots[(roots.imag > 0.01) & (np.abs(roots) > 0.8)]
        hertz = np.sort(np.angle(roots) * RATE / (2 * np.pi))
        hertz = hertz[hertz > 180]
        if len(hertz) >= 2:
            out[i] = hertz[:2]
    return out


def formant_rule(x: NDArray) -> tuple[NDArray, NDArray]:
    """F1 opens, F2 spreads, both only while there is sound. Two curves per hop, arbitrary units."""
    f = formants(x)
    loud = np.minimum(1, _loudness(x) * 4)
    opening = np.clip((f[:, 0] - F1_CLOSED) / (F1_OPEN - F1_CLOSED), 0, 1) * loud
    width = np.clip((f[:, 1] - F2_ROUND) / (F2_SPREAD - F2_ROUND), 0, 1) * loud
    return _smooth(opening), _smooth(width)
