"""Seeded rhythms as functions of time: the same seed and instant give the same value, at any frame rate."""

import math
from collections.abc import Callable
from typing import Generic, TypeVar

import numpy as np

Event = TypeVar("Event")


class Sway:
    """Band-limited noise of unit standard deviation: a sum of sines at random phases, log-spaced with jitter."""

    def __init__(self, rng: np.random.Generator, low: float, high: float, count: int = 9) -> None:
        edges = np.geomspace(low, high, count + 1)
        self._omega = 2 * np.pi * rng.uniform(edges[:-1], edges[1:])
        self._phase = rng.uniform(0, 2 * np.pi, count)
        size = (self._omega / self._omega[0]) ** -0.5            # slower is larger, as in recorded head motion
        self._size = size * math.sqrt(2 / float((size**2).sum()))

    def at(self, seconds: float) -> float:
        return float(self._size @ np.sin(self._omega * seconds + self._phase))


class Succession(Generic[Event]):
    """Events one after another without end. `draw(rng, before)` gives (gap in seconds, event); the past is not kept."""

    def __init__(self, seed: tuple[int, ...], draw: Callable[[np.random.Generator, Event], tuple[float, Event]],
                 first: Event) -> None:
        self._seed, self._draw, self._first = seed, draw, first
        self._restart()

    def at(self, seconds: float) -> tuple[float, Event, Event]:
        """Seconds since the newest event at or before `seconds`, that event, and the one before it."""
        if seconds < self._start:
            self._restart()
        while seconds >= self._next_start:
            self._start, self._before, self._event = self._next_start, self._event, self._next
            self._prepare()
        return seconds - self._start, self._event, self._before

    def next_start(self) -> float:
        """Instant of the next event in seconds."""
        return self._next_start

    def _restart(self) -> None:
        self._rng = np.random.default_rng(self._seed)
        self._start, self._event, self._before = -math.inf, self._first, self._first
        self._next_start = 0.0
        gap, self._next = self._draw(self._rng, self._first)
        self._next_start = gap

    def _prepare(self) -> None:
        gap, self._next = self._draw(self._rng, self._event)
        self._next_start = self._start + gap
