"""The brain, without I/O: what to draw next and when to begin, how long everything takes, what to give up when slow.

Positions are ticks of the media clock as it is handed over: at position u the picture and the sound of pts u leave.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from .clock import TICKS, TICKS_PER_MS, milliseconds
from .config import Settings
from .errors import UsageError
from .metrics import Metrics
from .protocols import Animator, FeatureExtractor, FrameStage

SOUND = 20 * TICKS_PER_MS            # sound is handed over in chunks of so many ticks


@dataclass(frozen=True, slots=True)
class Timing:
    """What each part of the way declares, in ticks. Their sum is the latency."""

    duration: int                    # of one picture
    block: int                       # sound a live source gathers before it delivers
    lookahead: int                   # sound after an instant that its rows, and the rows after it, need
    held_back: int                   # by stages that keep frames
    budget: int                      # one draw, with stages and colour
    pacing: int                      # timers and capture jitter
    cap: int                         # of the total delay

    @classmethod
    def declared(
        cls, settings: Settings, extractor: FeatureExtractor, animator: Animator, stages: Sequence[FrameStage]
    ) -> "Timing":
        """Raises UsageError when the parts together take longer than the cap."""
        held_back, period = 0, settings.duration
        for stage in reversed(stages):
            period *= getattr(stage, "factor", 1)
            held_back += stage.delay * period
        timing = cls(
            duration=settings.duration,
            block=settings.block_ms * TICKS_PER_MS,
            lookahead=extractor.lookahead + animator.window[1] * extractor.step,
            held_back=held_back,
            budget=getattr(animator, "budget", settings.draw_ms * TICKS_PER_MS),
            pacing=settings.pacing_ms * TICKS_PER_MS,
            cap=settings.cap,
        )
        if timing.latency > timing.cap:
            raise UsageError(
                f"these parts need {milliseconds(timing.latency):.0f} ms from sound to picture, more than "
                f"cap_ms = {settings.cap_ms}: raise cap_ms or leave a stage out"
            )
        return timing

    @property
    def latency(self) -> int:
        """From a sound being captured to its being handed over with its picture."""
        picture = self.lookahead + self.held_back + self.budget
        return self.block + self.pacing + max(picture, SOUND)

    @property
    def lead(self) -> int:
        """How long before a picture is due its drawing begins at the latest."""
        return self.budget + self.held_back

    @property
    def room(self) -> int:
        """By how much delay may grow before the cap."""
        return self.cap - self.latency


class Step(IntEnum):
    """What is given up, in order. Sound never is."""

    FULL = 0
    UNRESTORED = 1                   # restorers are left out
    HALF = 2                         # every second picture is drawn, the ones between are blended
    REPEAT = 3                       # what is ready is drawn, the rest repeats


class Governor:
    """Climbs the steps while drawing takes longer than there is time, and comes back when there is room again.

    Five slow draws in a row climb; two seconds with room to spare come back. A step that had to be taken again soon
    after it was left is held twice as long each time, to 32 s.
    """

    SLOW, ROOMY = 0.92, 0.75         # of the time there is
    PATIENCE = 5                     # draws
    HOLD = 2 * TICKS

    def __init__(self, period: int, *, has_restorers: bool, metrics: Metrics) -> None:
        self._period = period        # ticks between drawn frames at full rate
        self._ladder = [step for step in Step if has_restorers or step is not Step.UNRESTORED]
        self._metrics = metrics
        self._at = 0
        self._slow = 0
        self._roomy_since: int | None = None
        self._hold = self.HOLD
        self._came_down: int | None = None
        self._typical = 0            # cost of late, in ticks
        self._left: int | None = None        # typical cost when restoration was left out
        self._restoring = 0.0        # what restoration adds, as a share of the rest
        metrics.gauge("governor_step", int(self.step))

    @property
    def step(self) -> Step:
        return self._ladder[self._at]

    @property
    def stride(self) -> int:
        """Drawn frames are so many periods apart."""
        return 2 if self.step is Step.HALF else 1

    def begin(self, cost: int) -> None:
        """Start at the step that suits a first draw of `cost` ticks."""
        while cost > self.SLOW * self._time and self._at + 1 < len(self._ladder):
            self._move(+1)

    @property
    def _time(self) -> int:
        return self._period * (2 if self.step >= Step.HALF else 1)

    def drew(self, cost: int, now: int) -> None:
        """A draw with its stages took `cost` ticks and ended at `now`."""
        self._typical = (3 * self._typical + cost) // 4 if self._typical else cost
        if self._left is not None:
            self._restoring, self._left = max(0.0, self._left / max(1, cost) - 1), None
        self._slow = self._slow + 1 if cost > self.SLOW * self._time else 0
        if self._slow >= self.PATIENCE and self._at + 1 < len(self._ladder):
            self._climb(now)
        elif self._at and self._cost_below(cost) < self.ROOMY * self._time_below():
            self._rest(now)
        else:
            self._roomy_since = None

    def _cost_below(self, cost: int) -> float:
        return cost * (1 + self._restoring) if self.step is Step.UNRESTORED else cost

    def _time_below(self) -> int:
        return self._period * (2 if self._ladder[self._at - 1] is Step.HALF else 1)

    def _climb(self, now: int) -> None:
        if self._came_down is not None and now - self._came_down < 2 * self._hold:
            self._hold = min(16 * self.HOLD, 2 * self._hold)
        self._move(+1)

    def _rest(self, now: int) -> None:
        if self._roomy_since is None:
            self._roomy_since = now
        elif now - self._roomy_since >= self._hold:
            self._came_down = now
            self._move(-1)

    def _move(self, by: int) -> None:
        before, self._at = self.step, self._at + by
        self._slow, self._roomy_since = 0, None
        self._metrics.count(f"governor_{'up' if by > 0 else 'down'}")
        self._metrics.count(f"governor_entered_{self.step.name.lower()}")
        self._metrics.gauge("governor_step", int(self.step))
        if before is Step.FULL and self.step is Step.UNRESTORED:
            self._left = self._typical
        self._typical = 0


@dataclass(frozen=True, slots=True)
class Plan:
    """Draw the instant `pts`, not before position `start`."""

    pts: int
    start: int


class Schedule:
    """Which instant to draw next. Slots are the multiples of the picture's duration."""

    def __init__(self, timing: Timing, governor: Governor, stride: int, metrics: Metrics) -> None:
        self.timing = timing
        self.governor = governor
        self._stride = stride                # pictures per drawn frame: interpolators make the rest
        self._metrics = metrics
        self._next = 0
        self.cost = 0                        # ticks a draw takes of late
        self.spare: int | None = None        # ticks live sound comes before it must; None when sound is there at will

    @property
    def _spacing(self) -> int:
        return self._stride * self.governor.stride * self.timing.duration

    def slot(self, position: int) -> int:
        """The first slot at or after `position`."""
        return -(-position // self.timing.duration) * self.timing.duration

    def plan(self, position: int) -> Plan:
        """The first instant not yet drawn that can still be ready about when it is due; those before are skipped."""
        reachable = self.slot(position + self.cost - self.timing.duration // 2 - self._unavoidable())
        if reachable > self._next:
            self._metrics.count("skipped_pictures", (reachable - self._next) // self.timing.duration)
            self._next = reachable
        blending = self.timing.duration if self.governor.step is Step.HALF else 0
        lead = max(self.timing.budget, self.cost * 5 // 4) + self.timing.held_back + blending
        return Plan(self._next, self._next - lead)

    def _unavoidable(self) -> int:
        """By how much live pictures are late because their sound cannot be had any earlier."""
        return 0 if self.spare is None else max(0, self.cost - self.timing.budget - self.spare - self.sacrifice)

    @property
    def sacrifice(self) -> int:
        """Look-ahead of live sound given up, in ticks: only what a draw takes beyond all the room under the cap."""
        if self.spare is None:
            return 0
        return max(0, min(self.timing.lookahead, self.cost - self.timing.budget - self._usable_room))

    @property
    def _usable_room(self) -> int:
        return self.timing.room - self.timing.duration // 2

    def drew(self, plan: Plan, cost: int, now: int) -> None:
        """`plan` was carried out in `cost` ticks, at clock time `now`."""
        self.estimate(cost)
        self.governor.drew(cost, now)
        self._next = plan.pts + self._spacing

    def begin(self, cost: int) -> None:
        """What the first draw took, before anything is due."""
        self.cost = cost
        self.governor.begin(cost)

    def estimate(self, cost: int) -> None:
        """Follow the cost of a draw, quickly up and slowly down."""
        change = cost - self.cost
        self.cost = cost if not self.cost else self.cost + (change // 2 if change > 0 else change // 8)

    def restart(self, pts: int) -> None:
        """Draw from `pts` on again."""
        self._next = pts

    def redraw(self, position: int, busy: bool) -> int:
        """The first slot that can still be drawn anew when told at `position`; `busy` while a draw is under way."""
        draws = 1 + busy + (1 if self.timing.held_back else 0)
        quarter = self.timing.duration // 4
        wait = min(self.cost * draws, 3 * quarter) - quarter         # sound need not wait for a slow picture
        return self.slot(position + max(0, wait))

    def wanted_slack(self) -> int:
        """How much earlier than declared live sound is needed so that pictures are not late; at most the room."""
        blending = self.timing.duration if self.governor.step is Step.HALF else 0
        extra = self.cost - self.timing.budget - self.timing.pacing
        if extra <= 0 and not blending:
            return 0
        return max(0, min(self._usable_room, extra + blending))
