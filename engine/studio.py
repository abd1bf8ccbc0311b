"""The painter on its lane: what it has heard, what it must begin anew, who takes over when it fails; its rest when
nobody watches."""

import logging
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor

from .clock import SAMPLE_RATE, Clock, ticks_from_samples
from .lane import Lane, ThreadLane
from .metrics import Metrics
from .outbox import Outboxes
from .painter import Painter
from .protocols import Animator, FeatureExtractor
from .schedule import Plan, Step
from .soundtrack import Soundtrack
from .types import AudioChunk, Picture

OTHERS = 250                     # chunks of the other voice kept for a picture that is late: 5 s
log = logging.getLogger("limner")


class Studio:
    """Pictures from the soundtrack, drawn off the loop. One picture is drawn at a time."""

    def __init__(
        self,
        painter: Painter,
        track: Soundtrack,
        outboxes: Outboxes,
        clock: Clock,
        metrics: Metrics,
        fallback: tuple[FeatureExtractor, Animator] | None = None,
        lane: Lane | Executor | None = None,
    ) -> None:
        self._painter, self._track, self._clock, self._metrics = painter, track, clock, metrics
        self._outboxes = outboxes
        self._fallback = fallback
        self._owns_lane = lane is None
        self._lane = lane if hasattr(lane, "run") else ThreadLane(lane)
        self._fed = 0                            # samples the painter has heard
        self._restart: int | None = None         # pts at which it has to begin anew
        self._others: deque[AudioChunk] = deque(maxlen=OTHERS)
        self._begun = self._asleep = False       # a first picture is there; those after it were not watched
        self.busy = False

    async def warm_up(self) -> int:
        """Have everything compiled and allocated. Returns the ticks one draw takes."""
        await self._lane.run(self._painter.warm_up)
        began = self._clock.now()
        await self._lane.run(self._painter.warm_up)
        return self._clock.now() - began

    def cut(self, sample: int) -> None:
        """All sound from `sample` on is replaced."""
        self._fed, self._restart = sample, ticks_from_samples(sample)

    def listen(self, chunk: AudioChunk) -> None:
        """The other person's voice; taken in before the next picture."""
        self._others.append(chunk)

    async def paint(self, plan: Plan, step: Step, generation: int) -> list[Picture]:
        """The pictures that `plan` completes; none when nobody watches, or when drawing fails, which is said once."""
        if self._begun and not self._outboxes.watched:
            self._asleep = True
            self._metrics.count("draws_spared")
            return []
        work = self._work(plan, step, generation)
        self.busy = True
        try:
            pictures = await self._lane.run(work)
            self._begun = self._begun or bool(pictures)
            return pictures
        except Exception as error:
            self._failed(error)
            return []
        finally:
            self.busy = False

    def close(self) -> None:
        if self._owns_lane:
            self._lane.close()

    def _work(self, plan: Plan, step: Step, generation: int) -> Callable[[], list[Picture]]:
        """What the lane has to do: begin anew after a cut, hear the new sound, paint."""
        woken, self._asleep = self._asleep, False
        if woken:
            self._fed, self._restart = max(self._fed, self._track.head - SAMPLE_RATE), None
        restart, self._restart = self._restart, None
        start, self._fed = self._fed, self._track.head
        samples, captured_ns = self._track.read(start, self._fed - start), self._track.captured_ns
        sound = AudioChunk(samples, SAMPLE_RATE, start, ticks_from_samples(start), captured_ns, generation)
        self._metrics.time("wait", self._clock.now_ns() - captured_ns)
        others, self._others = self._others, deque(maxlen=OTHERS)

        def work() -> list[Picture]:
            for chunk in others:
                self._painter.listen(chunk)
            if woken:
                self._painter.wake()
            if restart is not None:
                self._painter.restart(restart)
            if len(samples):
                self._painter.hear(sound)
            thrifty, halve = step >= Step.UNRESTORED, step is Step.HALF
            return self._painter.paint(plan.pts, generation=generation, thrifty=thrifty, halve=halve)

        return work

    def _failed(self, error: Exception) -> None:
        self._metrics.count("draw_failures")
        said = error or type(error).__name__
        if self._fallback is not None:
            log.error("drawing failed, the fallback takes over: %s", said)
            self._painter.fall_back(*self._fallback)
            self._fallback, self._fed = None, max(0, self._fed - SAMPLE_RATE)
        elif self._metrics.counters["draw_failures"] == 1:
            log.error("drawing failed, the last picture stays: %s", said)
