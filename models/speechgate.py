"""The two decisions of the speech driver: may the mouth move at all, and are the lips shut right now."""

import numpy as np
from numpy.typing import NDArray

VOWEL_ON, VOWEL_STAYS = 0.75, 0.5        # smoothed probability of a vowel, nasal or glide that opens the gate, or keeps it
VOWEL_SURE = 0.92                        # the same without periodicity: whispered, hoarse or drowned in noise
PERIODIC, PERIODIC_HOLD = 0.55, 12       # autocorrelation peak of a voice, and for how many hops it counts
VOWEL_DUE = 35                           # hops within which the next one must come: keys and breath have none
SPEAK_OFF = 0.35                         # smoothed probability of any speech under which the gate doubts
SMOOTH, SMOOTH_VOWEL = 0.4, 0.25         # share of the way each moves per hop: a click is no vowel
PAUSE = 8                                # hops of doubt before it closes: a stop consonant is not a pause
ATTACK, RELEASE = 0.5, 0.18              # share of the way per hop: open in 30 to 40 ms, at rest within 250 ms

CLOSE_FROM, CLOSE_TO = 0.45, 0.75        # closure probability at which the lips start to meet, and are shut
HOLD = 5                                 # hops a decided closure lasts at least: one whole picture at 25 fps is shut
MEET, PART = 0.5, 0.25                   # contact gained and lost per hop at most


class SpeechGate:
    """Opens at the first vowel that network, voice detector and pitch agree on, closes when no speech was heard for a
    while.

    Clatter passes for stops and fricatives but not for vowels, breath for a vowel but not for a voice; speech brings a
    voiced vowel every few tenths of a second.
    An opening that waits for the vowel is at most one consonant late, and a mouth at rest is right for half of them.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self._speech = self._vowel = self._gain = 0.0
        self._open, self._doubt, self._dry, self._periodic = False, 0, VOWEL_DUE, 0

    def push(self, speech: NDArray, vowel: NDArray, periodicity: NDArray,
             voice: NDArray) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Probabilities of speech and of vowels, periodicity, voice decision, [n] each -> gain in [0, 1], whether open."""
        gains, states = np.empty(len(speech), np.float32), np.empty(len(speech), bool)
        heard = (a.tolist() for a in (speech, vowel, periodicity, voice))
        for i, (p, q, r, v) in enumerate(zip(*heard, strict=True)):
            self._speech += SMOOTH * (p - self._speech)
            self._vowel += SMOOTH_VOWEL * (q - self._vowel)
            self._periodic = PERIODIC_HOLD if r > PERIODIC else max(0, self._periodic - 1)
            self._open = self._decide(bool(v))
            self._gain += ATTACK * (1 - self._gain) if self._open else -RELEASE * self._gain
            gains[i], states[i] = self._gain, self._open
        return gains, states

    def _decide(self, voice: bool) -> bool:
        self._doubt = self._doubt + 1 if self._speech < SPEAK_OFF else 0
        self._dry = 0 if self._vowel > VOWEL_STAYS else self._dry + 1
        if self._open:
            return self._doubt < PAUSE and self._dry < VOWEL_DUE
        return voice and self._vowel > (VOWEL_ON if self._periodic else VOWEL_SURE)


class ClosureHold:
    """Closure probability to lip contact in [0, 1]: a decided contact is held for at least `HOLD` hops, and lips take
    two hops to meet and four to part.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self._run, self._contact = 0, 0.0

    def push(self, probability: NDArray) -> NDArray[np.float32]:
        x = np.clip((probability - CLOSE_FROM) / (CLOSE_TO - CLOSE_FROM), 0, 1)
        out = np.empty(len(x), np.float32)
        for i, wanted in enumerate((x * x * (3 - 2 * x)).tolist()):
            self._run = self._run + 1 if wanted >= 0.5 or 0 < self._run < HOLD else 0
            goal = 1.0 if self._run and (self._run <= HOLD or wanted >= 0.5) else wanted
            self._contact += min(MEET, max(-PART, goal - self._contact))
            out[i] = self._contact
        return out
