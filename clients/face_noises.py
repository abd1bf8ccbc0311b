"""Sounds that are not speech, made by rule: the lips must stay still in them. f32 at 16 kHz."""

import numpy as np
from numpy.typing import NDArray

RATE = 16_000


def _shaped(n: int, rng: np.random.Generator, gain) -> NDArray:
    """White noise through a gain per frequency in Hz, unit RMS."""
    spectrum = np.fft.rfft(rng.normal(0, 1, n))
    y = np.fft.irfft(spectrum * gain(np.fft.rfftfreq(n, 1 / RATE) + 1), n)
    return y / np.sqrt((y ** 2).mean())


def digital_silence(n: int, rng: np.random.Generator) -> NDArray:
    return np.zeros(n)


def breath(n: int, rng: np.random.Generator) -> NDArray:
    """In and out every 4 s: noise round 500 Hz to 3 kHz, -38 dBFS at its loudest."""
    swell = np.clip(np.sin(2 * np.pi * np.arange(n) / RATE / 2), 0, 1) ** 2
    return _shaped(n, rng, lambda f: np.exp(-(np.log(f / 1200) / 0.8) ** 2)) * swell * 0.0126


def keyboard(n: int, rng: np.random.Generator) -> NDArray:
    """Seven keys a second: a click and the thump of the key bed, peaks near -20 dBFS."""
    y = np.zeros(n)
    for at in rng.integers(0, n - 1600, n * 7 // RATE):
        t = np.arange(1600) / RATE
        click = rng.normal(0, 1, 1600) * np.exp(-t / rng.uniform(0.002, 0.006))
        thump = np.sin(2 * np.pi * rng.uniform(120, 400) * t) * np.exp(-t / 0.015)
        y[at:at + 1600] += (click + thump) * rng.uniform(0.02, 0.08)
    return y


def office(n: int, rng: np.random.Generator) -> NDArray:
    """Ventilation, mains hum and now and then a chair or a door: -45 dBFS with knocks."""
    t = np.arange(n) / RATE
    hum = sum(np.sin(2 * np.pi * 50 * k * t + k) / k for k in (1, 2, 3, 5))
    y = _shaped(n, rng, lambda f: 1 / f ** 0.6) * 0.005 + hum * 0.001
    for at in rng.integers(0, n - 4000, n // RATE // 3 + 1):
        d = np.arange(4000) / RATE
        y[at:at + 4000] += rng.normal(0, 0.05, 4000) * np.exp(-d / 0.03) + 0.03 * np.sin(2 * np.pi * 90 * d) * np.exp(-d / 0.05)
    return y


NOISES = {"silence": digital_silence, "breath": breath, "keyboard": keyboard, "office": office}


def make(name: str, seconds: float, seed: int = 0) -> NDArray[np.float32]:
    return NOISES[name](int(seconds * RATE), np.random.default_rng(seed)).astype(np.float32)
