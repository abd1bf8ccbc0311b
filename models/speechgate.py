"""The two decisions of the speech driver: may the mouth move at all, and are the lips shut right now."""

import numpy as np
from numpy.typing import NDArray

VOWEL_ON, VOWEL_STAYS = 0.7, 0.5         # smoothed probability of a vowel, nasal or glide that opens the gate, or keeps it
VOWEL_DUE = 45                           # hops within which the next one must come: keys and breath have none
SPEAK_OFF = 0.35                         # smoothed probability of any speech under which the gate doubts
SMOOTH = 0.4                             # share of the way a probability moves per hop
PAUSE = 8                                # hops of doubt before it closes: a stop consonant is not a pause
ATTACK, RELEASE = 0.6, 0.18              # share of the way per hop: open in about 30 ms, rest within 250 ms of silence

CLOSE_FROM, CLOSE_TO = 0.45, 0.75        # closure probability at which the lips start to meet, and are shut
HOLD = 5                                 # hops a decided closure lasts at least: one whole picture at 25 fps is shut
MEET, PART = 0.5, 0.34                   # contact gained and lost per hop at most


class SpeechGate:
    """Opens at the first vowel that network and voice detector hear, closes when no speech was heard for a while.

    Clatter and breath pass for stops and fricatives but never for vowels; speech brings one every few tenths of a second.
    An opening that waits for the vowel is at most one consonant late, and a mouth at rest is right for half of them.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self._speech = self._vowel = self._gain = 0.0
        self._open, self._doubt, self._dry = False, 0, VOWEL_DUE

    def push(self, speech: NDArray, vowel: NDArray, voice: NDArray) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Probabilities of speech and of vowels, and the voice decision, [n] each -> gain in [0, 1], whether open."""
        gains, states = np.empty(len(speech), np.float32), np.empty(len(speech), bool)
        for i, (p, q, v) in enumerate(zip(speech.tolist(), vowel.tolist(), voice.tolist(), strict=True)):
            self._speech += SMOOTH * (p - self._speech)
            self._vowel += SMOOTH * (q - self._vowel)
            self._open = self._decide(bool(v))
            self._gain += ATTACK * (1 - self._gain) if self._open else -RELEASE * self._gain
            gains[i], states[i] = self._gain, self._open
        return gains, states

    def _decide(self, voice: bool) -> bool:
        self._doubt = self._doubt + 1 if self._speech < SPEAK_OFF else 0
        self._dry = 0 if self._vowel > VOWEL_STAYS else self._dry + 1
        if self._open:
            return self._doubt < PAUSE and self._dry < VOWEL_DUE
        return voice and self._vowel > VOWEL_ON


class ClosureHold:
    """Closure probability to lip contact in [0, 1]: a decided contact is held for at least `HOLD` hops, and lips take
    two hops to meet and three to part.
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
