"""Rooms, microphones, noises and other throats, applied to mel power [B, T, 80] (cheap, and exact enough: power adds).

Without it a network trained on synthetic speech hears real rooms as speech and real silence as breath.
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray

HOP_S = 0.01
BANDS = 80


def decibel(value: NDArray) -> NDArray:
    return 10 ** (value / 10)


def compressed(mel: NDArray, rng: np.random.Generator) -> NDArray:
    """Log-mel pulled towards each item's loud level: synthetic consonants lie 10 dB deeper than recorded ones."""
    top = np.quantile(mel.max(-1), 0.9, axis=1)[:, None, None].astype(np.float32)
    return top + (mel - top) * rng.uniform(0.7, 1.1, (len(mel), 1, 1)).astype(np.float32)


def warp_bands(power: NDArray, rng: np.random.Generator, extent: float = 0.12, bend: float = 0.0) -> NDArray:
    """Vocal tract: the band axis stretched by up to +-`extent` and bent by up to +-`bend` bands, per item."""
    out = np.empty_like(power)
    bands = np.arange(BANDS)
    for i in range(len(power)):
        bow = bend and bend * rng.uniform(-1, 1) * np.sin(np.pi * rng.uniform(1, 2.5) * bands / BANDS)
        at = np.clip(bands * np.exp(rng.uniform(-extent, extent)) + bow, 0, BANDS - 1)
        low = np.minimum(at.astype(int), BANDS - 2)
        part = (at - low).astype(np.float32)
        out[i] = power[i][:, low] * (1 - part) + power[i][:, low + 1] * part
    return out


def revoiced(power: NDArray, rng: np.random.Generator) -> NDArray:
    """Voices the synthesisers do not have: harmonics blurred into their envelope by 0 to 6 passes over neighbouring
    bands, and the restless power of a living voice, which statistical synthesis averages away.
    """
    b, t, _ = power.shape
    passes = rng.integers(0, 7, b)
    for done in range(6):
        some = passes > done
        padded = np.pad(power[some], ((0, 0), (0, 0), (1, 1)), "edge")
        power[some] = 0.5 * power[some] + 0.25 * (padded[..., :-2] + padded[..., 2:])
    starts = rng.integers(0, len(flutter()) - t, b)
    restless = np.stack([flutter()[i:i + t] for i in starts])
    return power * restless ** rng.uniform(0, 1, (b, 1, 1)).astype(np.float32)


def masked(power: NDArray, rng: np.random.Generator) -> NDArray:
    """Bands and moments that went missing (SpecAugment, Park et al. 2019): up to 12 bands, up to 60 ms."""
    b, t, _ = power.shape
    for i in range(b):
        for _ in range(rng.integers(0, 3)):
            low, wide = rng.integers(0, BANDS - 4), rng.integers(2, 13)
            power[i, :, low:low + wide] *= np.float32(1e-3)
        for _ in range(rng.poisson(t / 300)):
            at, long = rng.integers(0, t - 8), rng.integers(2, 7)
            power[i, at:at + long] *= np.float32(1e-3)
    return power


def colour(b: int, rng: np.random.Generator) -> NDArray:
    """Microphone and channel: smooth random gain per band in power, [B, 1, 80]; a third are band-limited."""
    x = np.linspace(0, 1, BANDS)
    curve = rng.normal(0, 3, (b, 1)) * (x - 0.5) * 2
    for k in range(1, 5):
        curve += rng.normal(0, 3.5 / k, (b, 1)) * np.cos(np.pi * k * x + rng.uniform(0, np.pi, (b, 1)))
    cut = np.where(rng.random(b) < 0.35, rng.uniform(0.62, 0.95, b), 2.0)[:, None]      # 0.62 is about 3.2 kHz
    foot = np.where(rng.random(b) < 0.35, rng.uniform(0.0, 0.09, b), -1.0)[:, None]     # 0.09 is about 350 Hz
    curve -= 300 * np.maximum(0, x - cut) + 250 * np.maximum(0, foot - x)
    return decibel(np.maximum(curve, -45)).astype(np.float32)[:, None, :]


def room(power: NDArray, rng: np.random.Generator) -> NDArray:
    """An exponential tail behind every sound: RT60 0.15 to 0.8 s, direct-to-reverberant ratio 0 to 18 dB."""
    b, t, _ = power.shape
    wet = rng.random(b) < 0.6
    decay = 10 ** (-6 * HOP_S / rng.uniform(0.15, 0.8, (b, 1)))
    gain = np.where(wet[:, None], decibel(-rng.uniform(0, 18, (b, 1))) * (1 - decay), 0).astype(np.float32)
    decay = decay.astype(np.float32)
    tail = np.zeros((b, BANDS), np.float32)
    out = power.copy()
    for i in range(1, t):
        tail = tail * decay + power[:, i - 1]
        out[:, i] += tail * gain
    return out


@cache
def flutter() -> NDArray[np.float32]:
    """Rows of unit-mean noise power, drawn once: a wide band averages more bins, so it flutters less."""
    freedom = np.clip(4 + 8 * np.linspace(0, 1, BANDS), 4, 12).astype(np.float32)
    return np.random.default_rng(0).standard_gamma(freedom, (20_000, BANDS), dtype=np.float32) / freedom


def shaped_noise(b: int, t: int, rng: np.random.Generator) -> NDArray:
    """Room noise of random colour and flutter: fans, hum, hiss, traffic; mean power 1."""
    x = np.linspace(0, 1, BANDS)
    tilt = -rng.uniform(0, 35, (b, 1)) * x + rng.normal(0, 3, (b, 1)) * np.cos(np.pi * x * rng.uniform(1, 6, (b, 1)))
    hum = (rng.random((b, 1)) < 0.25) * 18 * (rng.random((b, BANDS)) < 0.04)
    shape = decibel(tilt + hum)[:, None, :]
    slow = np.repeat(rng.normal(0, 1.5, (b, t // 25 + 1, 1)), 25, 1)[:, :t]
    starts = rng.integers(0, len(flutter()) - t, b)
    noise = np.stack([flutter()[i:i + t] for i in starts]) * (shape * decibel(slow)).astype(np.float32)
    return noise / noise.mean((1, 2), keepdims=True)


def events(b: int, t: int, rng: np.random.Generator) -> NDArray:
    """Keys, knocks and breaths: short bursts, sparse or clattering, and slow noisy swells; peak power near 1."""
    out = np.zeros((b, t, BANDS), np.float32)
    x = np.linspace(0, 1, BANDS)
    for i in range(b):
        keys, swells = rng.poisson(t * HOP_S * 10 ** rng.uniform(-0.5, 1.0)), rng.poisson(t * HOP_S * 0.3)
        for k in range(keys + swells):
            length = int(rng.integers(2, 9) if k < keys else rng.integers(20, 90))
            at = int(rng.integers(0, max(1, t - length)))
            n = np.arange(length)
            shape = np.exp(-n / rng.uniform(0.5, 2.5)) if k < keys else np.sin(np.pi * (n + 0.5) / length) ** 2
            centre, spread = rng.uniform(0.0, 0.9), rng.uniform(0.1, 0.6)
            band = np.exp(-((x - centre) / spread) ** 2) + 0.02
            out[i, at:at + length] += (shape[:, None] * band * rng.gamma(4, 0.25, (length, BANDS))
                                       * rng.uniform(0.05, 1)).astype(np.float32)
    return out


def codec(power: NDArray, rng: np.random.Generator) -> NDArray:
    """Lossy coding: bands far under the loudest of their row are dropped, in a third of the items."""
    depth = np.where(rng.random((len(power), 1, 1)) < 0.33, rng.uniform(22, 45, (len(power), 1, 1)), 90)
    quiet = power < power.max(-1, keepdims=True) * decibel(-depth).astype(np.float32)
    return np.where(quiet, power * np.float32(1e-2), power)


def scaled(noise: NDArray, reference: NDArray, ratio_db: NDArray) -> NDArray:
    return noise * (reference * decibel(-ratio_db)).astype(np.float32)[:, None, None]


def augment(mel: NDArray[np.float32], rng: np.random.Generator, silent: float = 0.10,
            varied: bool = False) -> tuple[NDArray, NDArray]:
    """Log-mel [B, T, 80] as heard elsewhere; and bool [B], the items whose speech was taken away (noise only).

    `varied` makes more of the voices and less of the noise: wider warps, revoicing, masks, and noise 8 dB further down.
    """
    ease = 8.0 if varied else 0.0
    b, t, _ = mel.shape
    power = np.exp(np.minimum(compressed(mel, rng), 8))
    power = masked(revoiced(warp_bands(power, rng, 0.18, 3.0), rng), rng) if varied else warp_bands(power, rng)
    power = room(power * colour(b, rng), rng)
    loud = np.array([np.quantile(p.mean(-1), 0.8) for p in power]) + 1e-7     # speech level, not the pauses'
    gone = rng.random(b) < silent
    babble = np.roll(power, 1, 0) * (rng.random(b) < (0.2 if varied else 0.35))[:, None, None]
    babble_level = loud / (np.roll(loud, 1) + 1e-7) * decibel(-rng.uniform(6 + ease, 30 + ease, b))
    heard = power * ~gone[:, None, None] + babble * (babble_level * ~gone).astype(np.float32)[:, None, None]
    steady = scaled(shaped_noise(b, t, rng), loud, rng.uniform(6 + ease, 55 + ease, b))
    bursts = scaled(events(b, t, rng), loud, rng.uniform(-8 + ease, 25 + ease, b)) * (rng.random(b) < 0.4)[:, None, None]
    total = codec(heard + (steady + bursts) * (rng.random(b) < 0.92)[:, None, None], rng)
    gain = decibel(rng.uniform(-22, 6, b))[:, None, None] * (1e-1 / loud)[:, None, None] ** rng.uniform(0, 1, (b, 1, 1))
    return np.log(total * gain.astype(np.float32) + np.float32(1e-8)), gone
