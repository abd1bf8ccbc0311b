"""What a living face does besides speaking: blinks, fixations, breath, sway, a swallow now and then, and listening.

Numbers and their sources are on one page, docs/idle-motion.md. Blinks, gaze, breath and sway are pure functions of the
seed and the instant; what depends on what was heard (blinks at the end of a phrase, nods while listening, swallows in
long silence) is kept as the instants of a few past changes. `reset` equals a fresh driver.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from limner.engine.clock import TICKS
from limner.engine.types import ARKIT, ARKIT_INDEX, POSE_SIZE, Expression
from limner.models.face.rhythm import Succession, Sway

DOWN, SHUT, UP = 0.08, 0.04, 0.16            # s of one blink
BLINK_MEDIAN, BLINK_SPREAD, BLINK_LEAST = 3.2, 0.45, 0.8      # s, log-normal gaps
HEAD_SD = np.radians((1.6, 1.8, 1.2))        # pitch, yaw, roll while speaking
SILENT_SHARE = 0.55                          # of that while silent
DRIFT_SD = 0.010                             # face widths
BREATH_HZ = 0.25
LOOK_FULL = np.radians((26.0, 19.0))         # horizontal and vertical angle of a look weight of 1
FIXATION_MEDIAN, FIXATION_SPREAD = 1.5, 0.5  # s
_LONG_SILENCE, _TURN = 5.0, 1.0              # s of quiet before a swallow; s of the other's speech that earns a nod


@dataclass(frozen=True, slots=True)
class Liveness:
    """What to add to a spoken expression; `breath` in [-1, 1] lifts the shoulders."""

    expression: Expression
    breath: float


@dataclass(frozen=True, slots=True)
class _Look:
    across: float                            # rad, positive to the person's left
    up: float
    away: bool


class IdleDriver:
    """Seeded behaviour. `liveliness` 0 is perfectly still, 1 natural.

    `at(pts, voiced)` must be asked in the order of time; what it answers hardly depends on how often.
    """

    def __init__(self, seed: int = 0, liveliness: float = 1.0) -> None:
        self.seed, self.liveliness = seed, liveliness
        rng = np.random.default_rng((seed, 1))
        self._turns = [Sway(rng, 0.08, 0.9) for _ in range(3)]
        self._drifts = [Sway(rng, 0.06, 0.4) for _ in range(2)]
        self._tremor = [Sway(rng, 0.8, 3.0) for _ in range(2)]
        self._breath_phase = float(rng.uniform(0, 2 * np.pi))
        self._blinks = Succession((seed, 2), _next_blink, 0.0)
        self._looks = Succession((seed, 3), _next_look, _Look(0.0, 0.0, False))
        self._swallows = Succession((seed, 4), _next_swallow, 0.0)
        self.reset()

    def reset(self) -> None:
        """Forget what was heard."""
        self._now: float | None = None
        self._speaking = 0.0                 # smoothed, 0 .. 1
        self._spoke_at = self._phrase_end = -math.inf
        self._voiced = False
        self._other = False
        self._other_since = self._other_end = -math.inf
        self._listening = 0.0

    def listen(self, pts: int, voiced: bool) -> None:
        """Tell whether the other person is speaking at `pts`; the face then looks at them and nods at their pauses."""
        now = pts / TICKS
        if voiced and not self._other:
            self._other_since = now
        if self._other and not voiced and now - self._other_since > _TURN:
            self._other_end = now
        self._other = voiced

    def at(self, pts: int, voiced: bool = False) -> Liveness:
        """Offsets at the instant `pts` while the face itself is `voiced` or not."""
        now = pts / TICKS
        self._hear(now, voiced)
        weights, turn = np.zeros(len(ARKIT), np.float32), np.zeros(POSE_SIZE, np.float32)
        if self.liveliness <= 0:
            return Liveness(Expression(weights, turn, pts), 0.0)
        self._move_head(now, turn)
        self._move_eyes(now, weights)
        self._move_mouth(now, weights)
        breath = math.sin(2 * math.pi * BREATH_HZ * now + self._breath_phase)
        turn[0] += self.liveliness * math.radians(0.3) * breath
        return Liveness(Expression(weights, turn, pts), self.liveliness * breath)

    def _hear(self, now: float, voiced: bool) -> None:
        elapsed = 0.0 if self._now is None else max(now - self._now, 0.0)
        if self._voiced and not voiced:
            self._phrase_end = now
        if voiced:
            self._spoke_at = now
        self._speaking += (float(voiced) - self._speaking) * (1 - math.exp(-elapsed / (0.3 if voiced else 1.2)))
        self._listening += (float(self._other) - self._listening) * (1 - math.exp(-elapsed / 0.4))
        self._now, self._voiced = now, voiced

    def _move_head(self, now: float, turn: NDArray[np.float32]) -> None:
        share = self.liveliness * (SILENT_SHARE + (1 - SILENT_SHARE) * self._speaking)
        for axis in range(3):
            turn[axis] = share * HEAD_SD[axis] * self._turns[axis].at(now)
        for axis in range(2):
            turn[3 + axis] = self.liveliness * DRIFT_SD * self._drifts[axis].at(now)
        since = now - self._other_end - 0.25                     # two small nods, the second smaller
        if 0 < since < 1.2 and self._chance(self._other_end) < 0.7:
            turn[0] -= self.liveliness * math.radians(3.0) * math.sin(2 * math.pi * since / 0.6) ** 2 * (1.2 - since)

    def _move_eyes(self, now: float, weights: NDArray[np.float32]) -> None:
        age, look, before = self._looks.at(now)
        reach = math.hypot(look.across - before.across, look.up - before.up)
        done = _ease(age / (0.021 + 0.0022 * math.degrees(reach)))       # Bahill et al. 1975, the main sequence
        steady = self.liveliness * (1 - 0.85 * self._listening)
        across = steady * (before.across + done * (look.across - before.across))
        up = steady * (before.up + done * (look.up - before.up))
        jitter = self.liveliness * math.radians(0.10)
        set_gaze(weights, across + jitter * self._tremor[0].at(now), up + jitter * self._tremor[1].at(now))
        since = self._blinks.at(now)[0]
        shut = _blink(since)
        if look.away != before.away and reach > math.radians(3.5) and self._free(now - age, now - since):
            shut = max(shut, 0.8 * _blink(age))                  # lids help large shifts of gaze
        ended = self._phrase_end + 0.12
        if self._chance(self._phrase_end) < 0.5 and self._free(ended, now - since):
            shut = max(shut, _blink(now - ended))
        for side in ("Left", "Right"):
            weights[ARKIT_INDEX["eyeBlink" + side]] = shut

    def _move_mouth(self, now: float, weights: NDArray[np.float32]) -> None:
        age, strength, _ = self._swallows.at(now)
        if now - self._spoke_at < _LONG_SILENCE or age > 0.9:
            return
        press = self.liveliness * strength * math.sin(math.pi * age / 0.9) ** 2
        for name, share in (("mouthPressLeft", 0.55), ("mouthPressRight", 0.55), ("mouthRollLower", 0.15),
                            ("mouthShrugLower", 0.12)):
            weights[ARKIT_INDEX[name]] += share * press

    def _free(self, instant: float, last_blink: float) -> bool:
        """Whether a blink at `instant` would be clear of the regular ones before and after it."""
        return abs(instant - last_blink) > BLINK_LEAST and self._blinks.next_start() - instant > BLINK_LEAST

    def _chance(self, instant: float) -> float:
        """A number in [0, 1) that belongs to an instant of this seed."""
        if not math.isfinite(instant):
            return 1.0
        return float(np.random.default_rng((self.seed, 5, round(instant * 100) & 0x7FFFFFFF)).random())


def set_gaze(weights: NDArray[np.float32], across: float, up: float) -> None:
    """Write a gaze in radians (to the person's left, upwards) into the eight look weights."""
    a, b = across / LOOK_FULL[0], up / LOOK_FULL[1]
    for side, outward in (("Left", a), ("Right", -a)):
        weights[ARKIT_INDEX["eyeLookOut" + side]] = min(max(outward, 0.0), 1.0)
        weights[ARKIT_INDEX["eyeLookIn" + side]] = min(max(-outward, 0.0), 1.0)
        weights[ARKIT_INDEX["eyeLookUp" + side]] = min(max(b, 0.0), 1.0)
        weights[ARKIT_INDEX["eyeLookDown" + side]] = min(max(-b, 0.0), 1.0)


def _ease(t: float) -> float:
    t = min(max(t, 0.0), 1.0)
    return t * t * (3 - 2 * t)


def _blink(age: float) -> float:
    """Lid closure `age` seconds after a blink began."""
    if age < 0 or age > DOWN + SHUT + UP:
        return 0.0
    if age < DOWN:
        return _ease(age / DOWN)
    return 1 - _ease((age - DOWN - SHUT) / UP)


def _next_blink(rng: np.random.Generator, _: float) -> tuple[float, float]:
    gap = BLINK_MEDIAN * math.exp(BLINK_SPREAD * rng.standard_normal())
    return max(gap, BLINK_LEAST), 1.0


def _next_look(rng: np.random.Generator, before: _Look) -> tuple[float, _Look]:
    """How long the present fixation lasts, and where the next one is: mostly on the viewer, at times aside."""
    stay = FIXATION_MEDIAN * math.exp(FIXATION_SPREAD * rng.standard_normal())
    away = not before.away and rng.random() < 0.22
    across, up = rng.standard_normal(2)
    if away:
        return min(max(stay, 0.5), 4.0), _Look(math.radians(5.0) * across, math.radians(2.2) * up, True)
    stay *= 0.5 if before.away else 1.0
    return min(max(stay, 0.35), 4.0), _Look(math.radians(0.9) * across, math.radians(0.6) * up, False)


def _next_swallow(rng: np.random.Generator, _: float) -> tuple[float, float]:
    return rng.uniform(8.0, 15.0), rng.uniform(0.6, 1.0)
