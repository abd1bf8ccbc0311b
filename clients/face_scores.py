"""How well a mouth follows a voice: viseme hits, lip contacts, and curves against a real mouth."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from limner.engine.errors import InputError
from limner.models.phones import CLASS_INDEX, VISEME_OF, arpabet_parts

from .face_clips import Mouth

HOP = 0.01                         # s
REFERENCE_EARLY = 0.010            # s by which pocketsphinx sets its boundaries too early (measured on flite's truth)
TOLERANCE = 0.02                   # s a contact may miss a /p b m/ by
MAX_LAG = 20                       # hops searched for the best lag
Spans = list[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Alignment:
    visemes: NDArray[np.intp]      # [n], 15 classes per hop
    contacts: Spans                # every /p b m/, s


def read_alignment(path: Path, hops: int) -> Alignment:
    """pocketsphinx's JSON alignment: words (`w`) of phones with begin `b` and duration `d`."""
    try:
        words = json.loads(path.read_text(encoding="utf-8"))["w"]
        phones = [(p["t"], float(p["b"]), float(p["d"])) for w in words for p in w.get("w", [])]
    except (OSError, ValueError, KeyError, TypeError) as e:
        raise InputError(f"{path} is not a phone alignment as pocketsphinx writes it ({e!r})") from e
    visemes, contacts = np.zeros(hops, np.intp), []
    for symbol, begin, duration in phones:
        start = begin + REFERENCE_EARLY
        parts = arpabet_parts(symbol)
        if parts[0][0] == "PP":
            contacts.append((start, start + duration))
        for name, share in parts:
            stop = start + share * duration
            visemes[round(start / HOP):round(stop / HOP)] = VISEME_OF[CLASS_INDEX[name]]
            start = stop
    return Alignment(visemes, contacts)


def spans(flags: NDArray[np.bool_]) -> Spans:
    """Runs of True as (start, stop) in s."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flags.astype(int), [0]])))
    return [(a * HOP, b * HOP) for a, b in edges.reshape(-1, 2)]


def hits(events: Spans, wanted: Spans) -> int:
    """How many of `events` touch one of `wanted` within the tolerance."""
    return sum(any(a < d + TOLERANCE and b > c - TOLERANCE for c, d in wanted) for a, b in events)


def pearson(a: NDArray, b: NDArray) -> float:
    a, b = a - a.mean(), b - b.mean()
    return float((a * b).sum() / (np.sqrt((a ** 2).sum() * (b ** 2).sum()) + 1e-12))


@dataclass(frozen=True, slots=True)
class CurveScore:
    """`r` at lag 0; `lag` in s of the best match (positive: ours comes late) and its `best`; `ratio` of the sds."""

    r: float
    best: float
    lag: float
    ratio: float


def score_curve(ours: NDArray, at: NDArray, real: NDArray, times: NDArray) -> CurveScore:
    """A curve known at the instants `at` (s) against a real one at `times` (s)."""
    lags = np.arange(-MAX_LAG, MAX_LAG + 1) * HOP
    r = [pearson(np.interp(times + lag, at, ours), real) for lag in lags]
    k = int(np.argmax(r))
    same = np.interp(times, at, ours)
    return CurveScore(r[MAX_LAG], r[k], float(lags[k]), float(same.std() / (real.std() + 1e-12)))


def score_mouth(ours: Mouth, real: Mouth) -> tuple[CurveScore, CurveScore]:
    """Opening and width of one mouth against another's."""
    return (score_curve(ours.opening, ours.times, real.opening, real.times),
            score_curve(ours.width, ours.times, real.width, real.times))


def agreement(first: Mouth, second: Mouth) -> tuple[float, float]:
    """r of opening and of width between two measurements of the same lips, over the instants both have.

    No driver can be expected above the root of it: what differs is the judge's own noise, not the speaker's mouth.
    """
    _, a, b = np.intersect1d(first.times, second.times, return_indices=True)
    return pearson(first.opening[a], second.opening[b]), pearson(first.width[a], second.width[b])
