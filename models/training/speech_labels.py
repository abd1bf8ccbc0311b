"""From phone times to what the network learns, at 100 rows a second: classes, closure, co-articulated lip targets."""

import numpy as np
from numpy.typing import NDArray

from limner.models.phones import CLASS_INDEX, CLASSES, Parts, arpabet_parts, ipa_parts

HOP = 0.01                          # s
PAUSE = 0.03                        # s; a shorter gap between phones belongs to the phone before it

# Lip opening and width each class strives for, and how strongly it holds its own against its neighbours (Cohen &
# Massaro 1993: dominance alpha * exp(-theta * distance)). Bilabials and labiodentals dominate and let go quickly; velars
# and /h/ take the shape of what is around them; rounding spreads widely.
LIPS = {                            # opening, width, alpha, theta (1/s)
    "sil": (0.0, 0.0, 0.6, 12), "PP": (0.0, -0.1, 6.0, 45), "FF": (0.10, 0.0, 4.0, 40), "TH": (0.30, 0.0, 1.0, 22),
    "DD": (0.38, 0.1, 0.5, 20), "kk": (0.50, 0.1, 0.3, 16), "CH": (0.45, -0.3, 1.5, 20), "SS": (0.40, 0.25, 1.2, 22),
    "nn": (0.35, 0.05, 0.5, 20), "RR": (0.32, -0.4, 1.0, 18), "aa": (1.0, 0.0, 1.2, 14), "E": (0.75, 0.3, 1.0, 16),
    "ih": (0.50, 0.3, 0.8, 18), "oh": (0.50, -0.8, 1.4, 12), "ou": (0.15, -0.9, 1.6, 11), "ax": (0.50, 0.0, 0.4, 18),
    "ae": (0.95, 0.3, 1.2, 14), "hh": (0.50, 0.0, 0.15, 16), "ll": (0.42, 0.0, 0.6, 20), "ww": (0.05, -1.0, 2.5, 16),
    "ao": (0.80, -0.6, 1.3, 13), "iy": (0.42, 0.45, 1.0, 16), "er": (0.38, -0.35, 1.0, 16), "uh": (0.35, -0.4, 0.9, 16),
}
TABLE = np.array([LIPS[name] for name in CLASSES])


def segments(phones: list, engine: str) -> list[tuple[int, float, float]]:
    """(class, start s, end s) of every stretch, from `[symbol, end]` pairs of "flite" or "espeak"."""
    out: list[tuple[int, float, float]] = []
    start = 0.0
    for symbol, end in phones:
        parts: Parts | None = arpabet_parts(symbol) if engine == "flite" else ipa_parts(symbol)
        if parts is None:
            if out and (symbol or end - start < PAUSE):
                out[-1] = (out[-1][0], out[-1][1], end)
                start = end
                continue
            parts = [("sil", 1.0)]
        for name, share in parts:
            stop = start + share * (end - start) if name != parts[-1][0] else end
            if stop > start:
                out.append((CLASS_INDEX[name], start, stop))
            start = stop
    return out


def rows(stretches: list[tuple[int, float, float]], n: int) -> NDArray[np.uint8]:
    """Class of each of `n` hops, read at the hop's centre; silence outside the stretches."""
    classes = np.zeros(n, np.uint8)
    for index, start, stop in stretches:
        a, b = (max(0, round(t / HOP)) for t in (start, stop))
        classes[a:b] = index
    return classes


def lips(stretches: list[tuple[int, float, float]], n: int) -> NDArray[np.float32]:
    """Co-articulated opening and width by dominance, [n, 2]."""
    if not stretches:
        return np.zeros((n, 2), np.float32)
    t = (np.arange(n)[:, None] + 0.5) * HOP
    index, start, stop = (np.array(c) for c in zip(*stretches, strict=True))
    distance = np.maximum(0, np.maximum(start - t, t - stop))
    opening, width, alpha, theta = TABLE[index].T
    dominance = alpha * np.exp(-theta * distance) + 1e-9
    total = dominance.sum(1)
    return np.stack([dominance @ opening / total, dominance @ width / total], 1).astype(np.float32)
