"""The one sound of the session, by sample: live voice, speech to be said, or silence. Sans-I/O.

Whoever needs sound asks for it to be covered; whoever captures sound has it heard. Live sound that comes late is
waited for, not papered over with silence; silence, and only silence, is lengthened or shortened to keep pace.
"""

from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .clock import SAMPLE_RATE, samples_from_ticks, ticks_from_samples
from .metrics import Metrics
from .pauses import QuietGate, Slack
from .ring import SampleRing
from .schedule import Timing
from .types import AudioChunk
from .utterance import Utterance

FADE = SAMPLE_RATE * 8 // 1000               # samples over which a cut is faded, 8 ms
HISTORY = SAMPLE_RATE * 8                    # samples kept: the longest cap and everything ahead of it
_TOLERANCE = SAMPLE_RATE * 10 // 1000        # slack that is not worth correcting
_RAMP = np.linspace(1, 0, FADE, dtype=np.float32)


@dataclass(frozen=True, slots=True)
class _Mark:
    """Where a live block was laid, when its last sample was captured, and how far ahead of that time it lies."""

    start: int
    end: int
    captured_ns: int
    lead: int                                # samples; what the clock was held back by since adds to it


class Soundtrack:
    """Everything that was or will be heard, up to `head`. Positions and counts are 16 kHz samples."""

    def __init__(self, timing: Timing, metrics: Metrics) -> None:
        self._ring = SampleRing(HISTORY)
        self._timing = timing
        self._metrics = metrics
        self._gate = QuietGate()
        self._slack = Slack()
        self._seam: NDArray[np.float32] | None = None     # what would have followed, to fade out under what does
        self._queue: deque[Utterance] = deque()           # the first may be speaking
        self._ending: deque[tuple[int, Utterance]] = deque()
        self._marks: deque[_Mark] = deque(maxlen=512)
        self._lengthened = 0                              # samples the clock was held back by, in all
        self.live = False                                 # a live source feeds the head
        self.captured_ns = 0                              # of the newest sample written
        self.wanted = 0                                   # ticks live sound should come earlier than declared

    @property
    def head(self) -> int:
        """The next sample to be written."""
        return self._ring.head

    @property
    def speaking(self) -> Utterance | None:
        return self._queue[0] if self._queue and self._queue[0].state == "speaking" else None

    @property
    def next_up(self) -> Utterance | None:
        """An utterance that has sound and waits for nobody."""
        first = self._queue[0] if self._queue else None
        return first if first and first.state == "waiting" and (first.held or first.complete) else None

    def read(self, start: int, count: int) -> NDArray[np.float32]:
        return self._ring.read(start, count)

    # Live voice

    def hear(self, chunk: AudioChunk, expected: int) -> None:
        """Append live sound whose newest sample should lie just before position `expected`."""
        samples, count = chunk.samples, len(chunk.samples)
        self._gate.hear(samples)
        if self.speaking:
            self.live = False
            self._metrics.count("masked_samples", count)
            return
        fresh = not self.live
        if fresh:
            start = expected - count + samples_from_ticks(self.wanted)
            if start < 0:                    # captured before anything is handed over
                return
            self._attach(start)
        self._slack.add(self.head + count - expected)
        skip = min(count, max(self._over_cap(count, expected), self._surplus(fresh)))
        if skip:
            self._skip(samples, skip)
        self._write(samples[skip:], chunk.captured_ns)
        lead = self.head - expected - self._lengthened
        self._marks.append(_Mark(self.head - (count - skip), self.head, chunk.captured_ns, lead))

    def _attach(self, start: int) -> None:
        """Live sound begins or returns: silence up to it, then fade in."""
        self._write(np.zeros(max(0, start - self.head), np.float32), self.captured_ns)
        self._seam = np.zeros(FADE, np.float32)
        self._slack.reset()
        self.live = True

    def _over_cap(self, count: int, expected: int) -> int:
        over = max(0, self.head + count - expected - samples_from_ticks(self._timing.room))
        self._metrics.count("skipped_samples", min(over, count))
        return over

    def _surplus(self, fresh: bool) -> int:
        """How much quiet may go: what came earlier than anything in the last second needed."""
        least = self._slack.newest if fresh else self._slack.least
        if least is None or not self._gate.quiet:
            return 0
        surplus = least - samples_from_ticks(self.wanted)
        return surplus if surplus > _TOLERANCE else 0

    def _skip(self, samples: NDArray[np.float32], count: int) -> None:
        if self._seam is None:
            lead = samples[:FADE]
            self._seam = np.pad(lead, (0, FADE - len(lead)))
        self._slack.shift(-count)
        self._metrics.count("shortened_samples", count)

    @property
    def shortfall(self) -> int:
        """Slack that is wanted and missing, while the live voice is quiet and time may be lengthened unheard."""
        least = self._slack.least
        if not self.live or not self._gate.quiet or least is None:
            return 0
        missing = samples_from_ticks(self.wanted) - least
        return missing if missing > _TOLERANCE // 2 else 0

    @property
    def spare(self) -> int | None:
        """Ticks by which sound comes earlier than declared; None while speech is said, which is there at will."""
        if self.speaking:
            return None
        least = self._slack.newest if self._slack.least is None else self._slack.least
        return self.wanted if not self.live or least is None else max(0, ticks_from_samples(least))

    def room_left(self, delivered: int) -> int:
        """Ticks by which the live sound from position `delivered` on may be delayed further."""
        leads = [mark.lead + self._lengthened for mark in self._marks if mark.end > delivered]
        return self._timing.room - ticks_from_samples(max([0, *leads]))

    def lengthened(self, by: int) -> None:
        """The clock was held back by `by`, so everything live comes earlier by as much."""
        self._slack.shift(by)
        self._lengthened += by

    def captured_at(self, sample: int) -> int | None:
        """Monotonic nanoseconds at which live `sample` was captured; None for speech and silence."""
        for mark in reversed(self._marks):
            if mark.start <= sample < mark.end:
                return mark.captured_ns - (mark.end - 1 - sample) * 1_000_000_000 // SAMPLE_RATE
        return None

    # Demand

    def cover(self, upto: int, now_ns: int, late: int) -> bool:
        """Have sound up to position `upto`, from speech, or silence; False while live sound or speech is awaited.

        `late` says for how many ticks the asker has been waiting, less than 0 when it asks early. See `patience`.
        """
        while self.head < upto:
            missing = upto - self.head
            if speech := self.speaking:
                if not self._say(speech, missing, now_ns, late):
                    return False
            elif late <= self.patience:
                return False
            else:
                self._fall_silent(missing, now_ns)
        return True

    @property
    def patience(self) -> int:
        """How late, in ticks, sound may be before silence stands in for it: when to ask again.

        Nobody knows whether silence will not be spoken into, so it is not written earlier than live sound would come.
        A live voice is waited for by a block in a pause; inside speech, by all the room under the cap.
        """
        if self.speaking:
            return self._timing.room
        if not self.live:
            return -self.wanted - 1
        return self._timing.block if self._gate.quiet else self._timing.room

    def _say(self, speech: Utterance, missing: int, now_ns: int, late: int) -> bool:
        if speech.held:
            samples = speech.take(missing)
            speech.lay(self.head, len(samples))
            self._write(samples, now_ns)
        elif speech.over:
            self._end(speech)
        elif speech.starving or late > self._timing.room:
            speech.starving = True
            self._metrics.count("starved_samples", missing)
            self._write(np.zeros(missing, np.float32), now_ns)
        else:
            return False
        return True

    def _fall_silent(self, missing: int, now_ns: int) -> None:
        if self.live:
            self.live = False
            if not self._gate.quiet:
                self._metrics.count("dropouts")
                self._seam = np.full(FADE, self.read(self.head - 1, 1)[0])
        self._write(np.zeros(missing, np.float32), now_ns)

    # Speech

    def queue(self, utterance: Utterance) -> None:
        self._queue.append(utterance)

    def begin(self) -> None:
        """The utterance that is next up speaks from `head` on."""
        self._queue[0].state = "speaking"
        self.live = False

    @property
    def unseen_end(self) -> int:
        """Position of the end of speech that was said and not yet seen; 0 when there is none."""
        return self._ending[-1][0] if self._ending else 0

    def _end(self, speech: Utterance) -> None:
        self._queue.popleft()
        self._ending.append((self.head, speech))
        if self.next_up:
            self.begin()

    def seen(self, position: int) -> None:
        """Everything before `position` was delivered: speech that ended there is finished."""
        while self._ending and self._ending[0][0] <= position:
            self._ending.popleft()[1].settle("finished")

    def silence_speech(self) -> None:
        """Every utterance not yet seen is interrupted."""
        for utterance in [speech for _, speech in self._ending] + list(self._queue):
            utterance.settle("interrupted")
        self._ending.clear()
        self._queue.clear()

    def cut(self, at: int) -> None:
        """Forget everything from `at` on; what follows fades in over what would have come."""
        if at > self.head:
            self._write(np.zeros(at - self.head, np.float32), self.captured_ns)
        follows = np.concatenate([self.read(at, min(FADE, self.head - at)), self._fading()])[:FADE]
        self._ring.rewind(at)
        self._seam = np.pad(follows, (0, FADE - len(follows))) if follows.any() else None
        while self._marks and self._marks[-1].end > at:
            self._marks.pop()
        self.live = False

    def _fading(self) -> NDArray[np.float32]:
        """What an unfinished fade would still bring: a cut right after a cut must not break it off."""
        return np.zeros(0, np.float32) if self._seam is None else self._seam * _RAMP[FADE - len(self._seam) :]

    def _write(self, samples: NDArray[np.float32], captured_ns: int) -> None:
        if self._seam is not None and len(samples):
            count = min(len(self._seam), len(samples))
            ramp = _RAMP[FADE - len(self._seam) :][:count]
            samples = samples.copy()
            samples[:count] = samples[:count] * (1 - ramp) + self._seam[:count] * ramp
            rest = self._seam[count:]
            self._seam = rest if len(rest) else None
        self._ring.write(samples)
        self.captured_ns = captured_ns
