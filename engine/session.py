"""One live session: hear, draw, deliver. The file to read first.

    source --_hear--> soundtrack --_draw--> painter on its lane --_show--> outboxes --> sinks
                           `------------------_play------------------------^

There is one media clock, `position`: the pts that is handed over now. A live sound heard now is laid `latency` ahead
of it, so that everything it needs happens on time and lips and voice leave together. Each task works toward that clock:
`_draw` begins the next picture just in time, `_show` hands over what is ready when it is due, `_play` does so with the
sound. When sound comes late the clock is held back (`_hold`); when the picture is late it is repeated.
"""

import asyncio
import dataclasses
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import Executor
from contextlib import AsyncExitStack

import numpy as np
from numpy.typing import NDArray

from .clock import SAMPLE_RATE, TICKS_PER_MS, Clock, DeviceClock, milliseconds, samples_from_ticks, ticks_from_samples
from .config import Settings
from .errors import ContractError, UsageError, first_error
from .lane import Lane
from .metrics import Metrics, Pace
from .outbox import Outboxes
from .painter import Painter
from .picturebuffer import PictureBuffer
from .protocols import Animator, AudioSource, AVSink, FeatureExtractor, FrameStage
from .pulse import Pulse
from .schedule import SOUND, Governor, Plan, Schedule, Timing
from .sound import checked, mono
from .soundtrack import Soundtrack
from .studio import Studio
from .types import AudioChunk, Expression, Frame, Picture
from .utterance import Utterance

CHUNK = samples_from_ticks(SOUND)            # samples per chunk handed over
log = logging.getLogger("limner")


class Session:
    """A voice becomes a face, now. Every method belongs to the event loop's thread.

    `source` may be live (a microphone) or not (a file, which is said from its beginning and ends the session); without
    one, sound comes by `push` and `say`. `fallback` is an (extractor, animator) pair of the same size that takes over
    when the first one fails. `lane` is where drawing happens: one private thread unless given.

    Raises UsageError for parts that do not fit together and ContractError for parts that break their protocol.
    """

    def __init__(
        self,
        *,
        extractor: FeatureExtractor,
        animator: Animator,
        stages: Sequence[FrameStage] = (),
        sinks: Sequence[AVSink] = (),
        source: AudioSource | None = None,
        clock: Clock,
        settings: Settings | None = None,
        colour: Callable[[Frame], Picture] | None = None,
        metrics: Metrics | None = None,
        fallback: tuple[FeatureExtractor, Animator] | None = None,
        lane: Lane | Executor | None = None,
    ) -> None:
        if source is not None and source.rate != SAMPLE_RATE:
            raise ContractError(f"the source gives {source.rate} Hz; the engine works at {SAMPLE_RATE}: resample it")
        if fallback is not None and tuple(fallback[1].size) != tuple(animator.size):
            raise UsageError(f"the fallback draws {fallback[1].size}, the animator {animator.size}: they must be equal")
        settings, self.metrics = settings or Settings(), metrics or Metrics()
        self._pace = Pace(self.metrics)
        self.generation = 0
        self._clock, self._source = clock, source
        self._timing = Timing.declared(settings, extractor, animator, stages)
        self._painter = Painter(extractor, animator, stages, duration=settings.duration, colour=colour,
                                metrics=self.metrics, now_ns=clock.now_ns)  # fmt: skip
        stride = self._painter.stride
        governor = Governor(settings.duration * stride, has_restorers=self._painter.restores, metrics=self.metrics)
        self._schedule = Schedule(self._timing, governor, stride, self.metrics)
        self._track = Soundtrack(self._timing, self.metrics)
        self._outboxes = Outboxes(sinks, clock, self.metrics)
        self._studio = Studio(self._painter, self._track, self._outboxes, clock, self.metrics, fallback, lane)
        self._pulse = Pulse(clock)
        self._origin: int | None = None          # clock ticks at which pts 0 is handed over
        self._starved = 0                        # of drawing and playing, how many wait for sound
        self._keep_before = 0                    # pictures of older generations stand only before this pts
        self._pictures = PictureBuffer(self.metrics)
        self._slot = self._played = 0            # pts of the next picture to hand over; samples handed over
        self._over, self._ended = asyncio.Event(), asyncio.Event()
        self._running = False
        self._readers: dict[Utterance, asyncio.Task[None]] = {}
        self.metrics.gauge("latency_declared_ms", milliseconds(self.latency()))

    # What the outside asks

    def latency(self) -> int:
        """Ticks from a live sound being captured to its, and its picture's, being handed over. Declared."""
        return self._timing.latency

    def due(self, pts: int) -> int:
        """Clock ticks at which `pts` is handed over. Raises UsageError before `run` has begun."""
        if self._origin is None:
            raise UsageError("the session has not begun: call run() first")
        return self._origin + pts

    def push(self, chunk: AudioChunk) -> None:
        """Live sound, just captured, at the pace of the wall clock. Late, early and missing chunks are dealt with.

        Raises InputError for sound that is not 16 kHz mono f32.
        """
        samples = checked(chunk)
        self.metrics.time("hear", self._clock.now_ns() - chunk.captured_ns)
        if self._origin is not None and len(samples):
            expected = samples_from_ticks(self._position() + self._timing.latency)     # where a sample captured now lies
            self._track.hear(dataclasses.replace(chunk, samples=samples), expected)
            self._pulse.fire()

    def listen(self, chunk: AudioChunk) -> None:
        """The voice of whom the avatar talks with, just captured: heard, not said. Raises InputError as `push` does."""
        samples = checked(chunk)
        if self._origin is not None:
            began = self._position() - ticks_from_samples(len(samples))
            self._studio.listen(dataclasses.replace(chunk, samples=samples, pts=began))

    def say(self, speech: NDArray[np.float32] | AsyncIterator[AudioChunk]) -> Utterance:
        """Say 16 kHz mono speech, whole or as it comes, instead of the live voice; after what is being said already.

        Raises InputError for sound of another form and UsageError once the session is closed.
        """
        if self._over.is_set():
            raise UsageError("the session is closed and says nothing more")
        utterance = Utterance()
        if isinstance(speech, np.ndarray):
            utterance.feed(mono(speech))
            utterance.complete = True
        self._track.queue(utterance)
        if not isinstance(speech, np.ndarray):
            reader = asyncio.ensure_future(self._read(utterance, speech))
            self._readers[utterance] = reader
            reader.add_done_callback(lambda _: self._readers.pop(utterance, None))
        self._begin_speech()
        return utterance

    def interrupt(self) -> None:
        """Stop what is being said and purge every stage. The mouth closes over the next two or three pictures."""
        for reader in self._readers.values():
            reader.cancel()
        self._track.silence_speech()
        if self._origin is None:
            return
        self.metrics.count("interrupts")
        position = self._position()
        redraw = self._schedule.redraw(position, self._studio.busy)
        self._cut(self._played, redraw, keep_before=min(redraw, self._schedule.slot(position) + self._timing.duration))
        self._outboxes.purge()

    def express(self, expression: Expression | None) -> None:
        """Add `expression` to everything drawn from now on, until replaced; None takes it away.

        Raises UsageError when the animator is not driven by expressions.
        """
        if expression is not None and not self._painter.takes_expressions:
            raise UsageError("this animator draws from sound alone and takes no expressions; use morphable or pirender")
        self._painter.overlay(None if expression is None else expression.row())

    async def attach(self, sink: AVSink) -> None:
        """Open one more sink and deliver to it from now on. Raises UsageError once the session is closed, and what the
        opening of the sink raises.
        """
        if self._over.is_set():
            raise UsageError("the session is closed and takes no more outlets")
        await self._outboxes.attach(sink)

    async def detach(self, sink: AVSink) -> None:
        """Deliver what `sink` still has coming and close it; nothing happens when it is not attached."""
        await self._outboxes.detach(sink)

    async def close(self) -> None:
        """End the session; returns when every sink is closed. What was being said is interrupted."""
        self._over.set()
        self._pulse.fire()
        if self._running:
            await self._ended.wait()

    # The life of a session

    async def run(self) -> None:
        """Hear, draw and deliver until the source ends or `close` is called.

        Raises what the source, the opening of a sink, or the last of the sinks raised.
        """
        self._running = True
        try:
            async with AsyncExitStack() as stack:
                await self._open(stack)
                async with asyncio.TaskGroup() as tasks:
                    await self._run_in(tasks)
        except BaseExceptionGroup as group:
            raise first_error(group) from None
        finally:
            self._over.set()
            self._track.silence_speech()
            self._studio.close()
            self._ended.set()

    async def _open(self, stack: AsyncExitStack) -> None:
        stack.push_async_callback(self._outboxes.close)
        await self._outboxes.open()
        self._schedule.begin(await self._studio.warm_up())
        self._keep_pace()
        if self._source is not None:     # last, so that no sound piles up meanwhile
            await stack.enter_async_context(self._source)

    async def _run_in(self, tasks: asyncio.TaskGroup) -> None:
        running = [tasks.create_task(self._hear())]
        if self._source is not None and not self._source.live:
            while self._track.next_up is None and not self._over.is_set():
                await self._pulse.until()
        self._origin = self._clock.now() + self._schedule.cost * 5 // 4      # the first picture is drawn by then
        if self._track.next_up:
            self._track.begin()
        running += [tasks.create_task(part()) for part in (self._draw, self._show, self._play)]
        await self._over.wait()
        for task in [*running, *self._readers.values()]:
            task.cancel()

    def _position(self) -> int:
        return self._clock.now() - self._origin

    def _hold(self, by: int) -> None:
        """Hold the media clock back: everything is handed over `by` ticks later, picture and sound alike."""
        if by > 0:
            self._origin += by
            self._track.lengthened(samples_from_ticks(by))
            self.metrics.count("held_ticks", by)

    # Hear

    async def _hear(self) -> None:
        if self._source is None:
            return
        if self._source.live:
            async for chunk in self._source:
                if isinstance(self._clock, DeviceClock):
                    self._clock.observe(chunk.start + len(chunk.samples))
                self.push(chunk)
            await self._clock.sleep_until(self._clock.now() + self._timing.latency + SOUND)
        else:
            utterance = Utterance()
            self._track.queue(utterance)
            await utterance.fill(aiter(self._source), self._begin_speech, self._pulse)
            if await utterance.done == "interrupted":
                await self._clock.sleep_until(self._clock.now() + self._timing.cap)
        self._over.set()

    async def _read(self, utterance: Utterance, speech: AsyncIterator[AudioChunk]) -> None:
        try:
            await utterance.fill(speech, self._begin_speech, self._pulse)
        except Exception as error:
            log.error("speech ended early: %s", error or type(error).__name__)
            utterance.complete = True

    def _begin_speech(self) -> None:
        """Start the next utterance at the first picture not yet handed over, whatever but speech was due there."""
        if self._origin is None or self._track.speaking or not self._track.next_up:
            return
        soonest = self._schedule.redraw(self._position(), self._studio.busy)
        free = max(self._played, self._track.unseen_end)
        slot = max(soonest, self._slot, self._schedule.slot(-ticks_from_samples(-free)))      # rounded up
        self._cut(samples_from_ticks(slot), slot, keep_before=slot)
        self._track.begin()

    def _cut(self, sample: int, redraw: int, keep_before: int) -> None:
        """All sound from `sample` on and every picture from `keep_before` on are stale; draw from `redraw` on."""
        self.generation += 1
        self._track.cut(sample)
        self._studio.cut(sample)
        self._keep_before = keep_before
        self._pictures.drop_from(keep_before)
        self._schedule.restart(redraw)
        self._pulse.fire()

    # Draw

    async def _draw(self) -> None:
        while True:
            plan = self._schedule.plan(self._position())
            if await self._may_begin(plan):
                await self._paint(plan)

    async def _may_begin(self, plan: Plan) -> bool:
        """Wait until it is time and all sound the plan needs is there; False when a cut made the plan stale."""
        generation = self.generation
        while self._position() < plan.start:
            await self._pulse.until(self._origin + plan.start)
            if generation != self.generation:
                return False
        due = plan.pts - self._timing.lead - self._schedule.sacrifice
        needed = max(0, due + self._timing.lead) + self._timing.lookahead    # less would not make the first row
        spare = max(0, self._timing.budget - self._schedule.cost * 5 // 4)
        return await self._sound(samples_from_ticks(needed) + 1, due, spare)

    async def _sound(self, upto: int, due: int, spare: int = 0) -> bool:
        """Wait for all sound before sample `upto`, wanted at position `due`; False when a cut came first.

        The clock is held by what the wait was longer than `spare` ticks after `due`.
        """
        generation, began = self.generation, None
        try:
            while generation == self.generation:
                position = self._position()
                late = position - due
                if self._track.cover(upto, self._clock.now_ns(), late):
                    if began is not None:
                        self._hold(min(late - spare, position - began, self._room_left()))
                    return True
                if began is None:
                    began = position
                    self._starved += 1
                await self._pulse.until(self._origin + due + self._track.patience + TICKS_PER_MS)
            return False
        finally:
            self._starved -= began is not None

    async def _paint(self, plan: Plan) -> None:
        generation, began = self.generation, self._clock.now()
        pictures = await self._studio.paint(plan, self._schedule.governor.step, generation)
        cost = self._clock.now() - began
        if generation == self.generation:
            self._schedule.drew(plan, cost, self._clock.now())
        else:
            self._schedule.estimate(cost)
            pictures = [picture for picture in pictures if picture.pts < self._keep_before]
        self._pictures.add(pictures)
        self._keep_pace()
        self._pulse.fire()

    def _keep_pace(self) -> None:
        """Where drawing takes longer than declared, lengthen a pause so that live pictures are in time again."""
        self._track.wanted = self._schedule.wanted_slack()
        self._schedule.spare = self._track.spare
        if short := self._track.shortfall:
            self._hold(min(ticks_from_samples(short), self._room_left()))

    # Deliver

    async def _show(self) -> None:
        duration = self._timing.duration
        while True:
            slot = self._slot
            await self._due(slot)
            await self._awaited(slot)
            picture, drawn_for = self._pictures.take(slot, self.generation, slot - self._room_left())
            if picture is not None:
                self._account(picture, drawn_for)
                self._outboxes.show(picture)
            self._slot = max(slot + duration, self._schedule.slot(self._position() - duration))
            self._track.seen(self._delivered())

    async def _awaited(self, slot: int) -> None:
        """Give a picture that is being drawn half a duration's grace, and one whose sound is late all the room."""
        while not self._pictures.has(slot):
            if self._pictures.last is None and not len(self._pictures):
                await self._pulse.until()
                continue
            grace = self._room_left() if self._starved else self._timing.duration // 2
            until = self._origin + slot + grace
            if not (self._studio.busy or self._starved) or self._clock.now() >= until:
                return
            await self._pulse.until(until)

    def _account(self, picture: Picture, drawn_for: int) -> None:
        self.metrics.count(f"pictures_{picture.drawn}")
        late = self._position() - picture.pts
        self.metrics.time("late", late * 1_000_000 // TICKS_PER_MS)
        self._pace.shown(picture.pts, late, new=picture.drawn != "repeat")
        captured = self._track.captured_at(samples_from_ticks(drawn_for))
        if captured is not None and picture.drawn != "repeat":
            self.metrics.time("total", self._clock.now_ns() - captured)

    async def _play(self) -> None:
        while True:
            at, due = self._played, ticks_from_samples(self._played)
            await self._due(due)
            if (late := self._position() - due) > self._timing.room:     # the machine slept or the loop was blocked
                self._hold(late)
            if not await self._sound(at + CHUNK, due):
                continue
            samples = self._track.read(at, CHUNK)
            captured_ns = self._track.captured_at(at + CHUNK - 1) or self._clock.now_ns()
            self._outboxes.play(AudioChunk(samples, SAMPLE_RATE, at, due, captured_ns, self.generation))
            self._pace.played(self._position() - due)
            self._played += CHUNK
            self._track.seen(self._delivered())

    async def _due(self, pts: int) -> None:
        while self._position() < pts:
            await self._clock.sleep_until(self._origin + pts)

    def _room_left(self) -> int:
        """Ticks by which what is not yet handed over may be delayed before it passes the cap."""
        return self._track.room_left(self._delivered())

    def _delivered(self) -> int:
        """Samples before which both sound and pictures were handed over."""
        return min(self._played, samples_from_ticks(self._slot))
