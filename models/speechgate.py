"""The two decisions of the speech driver: may the mouth move at all, and are the lips shut right now."""

import numpy as np
from numpy.typing import NDArray

SPEAK_ON, SPEAK_OFF = 0.6, 0.35          # smoothed probability of speech at which the gate opens, and doubts
SMOOTH = 0.4                             # share of the way that probability moves per hop
PAUSE = 8                                # hops of doubt before it closes: a stop consonant is not a pause
ATTACK, RELEASE = 0.35, 0.18             # share of the way per hop: open in about 50 ms, rest within 250 ms of silence

CLOSE_FROM, CLOSE_TO = 0.45, 0.75        # closure probability at which the lips start to meet, and are shut
HOLD = 4                                 # hops a decided closure lasts at least: one whole frame at 25 fps


class SpeechGate:
    """Opens when network and voice detector agree, closes when the network has heard no speech for a while."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self._speech, self._gain, self._open, self._doubt = 0.0, 0.0, False, 0

    def push(self, speech: NDArray, voice: NDArray) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Probability of speech and voice decision, [n] each -> gain in [0, 1] and whether open, [n] each."""
        gains, states = np.empty(len(speech), np.float32), np.empty(len(speech), bool)
        for i, (p, v) in enumerate(zip(speech.tolist(), voice.tolist(), strict=True)):
            self._speech += SMOOTH * (p - self._speech)
            self._doubt = self._doubt + 1 if self._speech < SPEAK_OFF else 0
            self._open = self._doubt < PAUSE if self._open else bool(v) and self._speech > SPEAK_ON
            self._gain += ATTACK * (1 - self._gain) if self._open else -RELEASE * self._gain
            gains[i], states[i] = self._gain, self._open
        return gains, states


class ClosureHold:
    """Closure probability to lip contact in [0, 1]: a decided contact is held for at least `HOLD` hops."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self._run, self._peak = 0, 0.0

    def push(self, probability: NDArray) -> NDArray[np.float32]:
        x = np.clip((probability - CLOSE_FROM) / (CLOSE_TO - CLOSE_FROM), 0, 1)
        out = (x * x * (3 - 2 * x)).astype(np.float32)
        for i, contact in enumerate(out.tolist()):
            if contact >= 0.5:
                self._run, self._peak = self._run + 1, max(contact, self._peak)
            elif 0 < self._run < HOLD:
                self._run += 1
            else:
                self._run, self._peak = 0, 0.0
            if 0 < self._run <= HOLD:
                out[i] = max(contact, self._peak)
        return out
