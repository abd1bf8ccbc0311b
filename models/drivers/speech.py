"""Sound to face: every 10 ms a row of ARKit weights and head pose (`EXPRESSION_ROW`), 58 ms after the sound.

log-mel -> causal network (class probabilities, closure) -> viseme table -> smoothing -> voice gate; prosody adds brow and
nod. The opening follows the sounds, never their loudness. /p b m/ take a faster, decided path, because a viewer sees
a closure that did not happen before anything else.

Order of what a row at hop i waits for: the network's window (17.5 ms after the hop began), its look-ahead (3 hops) and
one hop of smoothing: 57.5 ms.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from limner.engine.clock import TICKS
from limner.engine.errors import UsageError
from limner.engine.types import ARKIT, ARKIT_INDEX, EXPRESSION_ROW, AudioChunk, FeatureRows
from limner.models.features.logmel import DRIVER, LogMel
from limner.models.mouth import GAP_JAW, LIPS_APART, LIPS_SHUT, WIDTH, indices, lip_gap, lip_width, viseme_table
from limner.models.options import FaceOptions
from limner.models.phones import CLASS_INDEX, CLASSES, SONORANTS, VISEME_OF, VISEMES
from limner.models.prosody import Prosody
from limner.models.speechgate import ClosureHold, SpeechGate
from limner.models.speechnet import SpeechNet
from limner.models.voice import VoiceActivity

WEIGHTS = Path(__file__).parent.parent / "data" / "speech.npz"
RATE, HOP, STEP = DRIVER.rate, DRIVER.hop, DRIVER.hop * TICKS // DRIVER.rate
BLOCK = 512                              # hops computed at once: bounds the memory of a file pushed whole

# Smoothing taps over hops +1, 0, -1, ... : a Gaussian for shapes that glide, a short kernel for lips that meet.
SLOW = np.exp(-0.5 * ((np.arange(6) - 0.5) / 1.5) ** 2)
SLOW /= SLOW.sum()
FAST = np.array([0.25, 0.5, 0.25])
REACH = len(SLOW) - 1                    # hops of the past a smoothed row still hears

HEARD_GAP, HEARD_WIDTH = 0.5, 1.0        # how far the table's gap and width give way to the network's lip targets
OPEN_FULL, ROUND_FULL, SPREAD_FULL = 0.15, 0.46, 0.30   # IO of gap and width at lip targets of 1, -1 and 1
NOD, BROW = np.radians(2.6), 0.32        # of full stress: rad downwards, browInnerUp weight
BROW_OUTER = 0.5                         # share of the inner brow's lift the outer brows follow with

FOLD = np.zeros((len(CLASSES), len(VISEMES)), np.float32)             # classes to the 15 visemes
FOLD[np.arange(len(CLASSES)), VISEME_OF] = 1
JAW, CLOSE = ARKIT_INDEX["jawOpen"], ARKIT_INDEX["mouthClose"]
SILENCE, NOD_COLUMN = CLASS_INDEX["sil"], len(ARKIT)
STRETCH, PUCKER = indices("mouthStretch"), indices("mouthPucker")
BROWS_INNER, BROWS_OUTER = indices("browInnerUp"), indices("browOuterUp")


class SpeechDriver:
    """The embedded face's ear: a `FeatureExtractor` whose rows are Expressions.

    Rows: mouth, jaw and tongue weights from the sounds, `browInnerUp`/`browOuterUp` and pose[0] (nod) from stress; all
    else 0. Any chunking equals one pass. `voiced` is the gate's decision.

    Raises:
        WeightsError: the network file is missing or is not one.
        UsageError: a chunk that is not at 16 kHz.
    """

    width = EXPRESSION_ROW
    step = STEP

    def __init__(self, weights: Path = WEIGHTS):
        self._net = SpeechNet(weights)
        self._table = viseme_table()
        self._mel, self._voice, self._prosody = LogMel(DRIVER), VoiceActivity(), Prosody()
        self._gate, self._hold = SpeechGate(), ClosureHold()
        self.delay = self._net.lookahead + 1                         # hops from a row's own mel row to the one it waits for
        self.lookahead = self._mel.lookahead + self.delay * STEP
        self.reset()

    def reset(self) -> None:
        for part in (self._net, self._mel, self._voice, self._prosody, self._gate, self._hold):
            part.reset()
        self._origin: int | None = None
        self._given = -self.delay                                    # rows given; the first answers are about no sound
        self._side = np.empty((0, 4), np.float32)                    # nod, brow, periodicity, voice per hop not yet used
        self._targets = np.zeros((REACH, EXPRESSION_ROW), np.float32)
        self._closure = np.zeros(REACH, np.float32)

    def push(self, chunk: AudioChunk) -> FeatureRows | None:
        if chunk.rate != RATE:
            raise UsageError(f"sound at {chunk.rate} Hz where {RATE} Hz is expected; resample it first")
        if self._origin is None:
            self._origin = chunk.pts
        size = BLOCK * HOP
        parts = [self._hear(chunk.samples[i:i + size]) for i in range(0, len(chunk.samples), size)]
        rows = np.concatenate([p[0] for p in parts]) if parts else self._targets[:0]
        early = min(len(rows), max(0, -self._given))
        self._given += len(rows)
        rows = rows[early:]
        if not len(rows):
            return None
        pts = self._origin + (self._given - len(rows)) * STEP
        return FeatureRows(rows, pts, np.concatenate([p[1] for p in parts])[early:], chunk.captured_ns)

    def visemes(self, samples: NDArray[np.float32]) -> NDArray[np.intp]:
        """Most likely viseme (index into `phones.VISEMES`) of every hop of a whole recording [n] at 16 kHz, smoothed as
        the rows are. For judging the hearing by itself; it starts afresh and leaves the driver reset.
        """
        self.reset()
        after = np.zeros(self.lookahead * RATE // TICKS + HOP, np.float32)
        mel = self._mel.samples(np.concatenate([samples, after]))
        heard = self._net.push(mel)[0] @ FOLD
        self.reset()
        _, heard = smooth(np.zeros((REACH, len(VISEMES)), np.float32), heard, SLOW)
        return heard[self.delay:self.delay + len(samples) // HOP].argmax(1)

    def _hear(self, samples: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Rows [n, 58] for the n mel rows these samples complete, each `delay` hops older than its mel row."""
        beats, voice = self._prosody.push(samples), self._voice.push(samples)
        self._side = np.concatenate([self._side, np.column_stack([beats, voice])])
        mel = self._mel.samples(samples)
        n = len(mel)
        if not n:
            return self._targets[:0], np.empty(0, bool)
        side, self._side = self._side[:n], self._side[n:]
        classes, closure, lips = self._net.push(mel)
        gain, speaking = self._gate.push(1 - classes[:, SILENCE], classes[:, SONORANTS].sum(1), side[:, 2], side[:, 3])
        targets = coarticulated(classes @ self._table, lips) * gain[:, None]
        rows = self._mouths(targets.astype(np.float32), closure * gain)
        self._add_beats(rows, side)
        return rows, speaking

    def _mouths(self, targets: NDArray[np.float32], closure: NDArray[np.float32]) -> NDArray[np.float32]:
        """Smooth the glide, then let the lips meet on the faster path."""
        self._targets, rows = smooth(self._targets, targets, SLOW)
        self._closure, certain = smooth(self._closure, closure, FAST)
        contact = self._hold.push(certain)[:, None]
        rows[:, LIPS_SHUT] += contact * (self._table[CLASS_INDEX["PP"], LIPS_SHUT] - rows[:, LIPS_SHUT])
        rows[:, LIPS_APART] *= 1 - contact
        return rows

    @staticmethod
    def _add_beats(rows: NDArray[np.float32], side: NDArray[np.float32]) -> None:
        rows[:, NOD_COLUMN] = -NOD * side[:, 0]
        rows[:, BROWS_INNER] = BROW * side[:, 1:2]
        rows[:, BROWS_OUTER] = BROW * BROW_OUTER * side[:, 1:2]


def coarticulated(rows: NDArray[np.float32], lips: NDArray[np.float32]) -> NDArray[np.float32]:
    """Move the gap and width that `rows` [n, 58] ask for towards what the network heard coming: `lips` [n, 2].

    The table knows each sound by itself; the network's lip targets know the neighbours (rounding begins before an
    `oo`, an `h` has the mouth of its vowel).
    """
    gap, width = lip_gap(rows), lip_width(rows)
    further = HEARD_GAP * (OPEN_FULL * np.clip(lips[:, 0], 0, 1) - gap)
    rows[:, JAW] += further / (GAP_JAW * np.maximum(0.3, 1 - rows[:, CLOSE]))
    target = np.maximum(0, lips[:, 1]) * SPREAD_FULL + np.minimum(0, lips[:, 1]) * ROUND_FULL
    wider = HEARD_WIDTH * (target - width)[:, None]
    rows[:, STRETCH] += np.maximum(wider, 0) / WIDTH["mouthStretch"]
    rows[:, PUCKER] += np.minimum(wider, 0) / WIDTH["mouthPucker"]
    return np.clip(rows, 0, 1)


def smooth(past: NDArray, new: NDArray, taps: NDArray) -> tuple[NDArray, NDArray]:
    """Filter `new` [n, ...] by `taps` (newest first) after `past` [REACH, ...]; the next past, and [n, ...]."""
    joined = np.concatenate([past, new])
    n = len(new)
    out = sum(t * joined[REACH - k:REACH - k + n] for k, t in enumerate(taps))
    return joined[n:], np.asarray(out, np.float32)


def create(options: FaceOptions) -> SpeechDriver:
    """For the registry; the shipped network needs no option."""
    return SpeechDriver()
