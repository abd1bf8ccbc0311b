"""How much of each frame a restorer may restore, chosen from what it was measured to cost.

Pure bookkeeping: told costs, gives plans. No clock, no picture.
"""

from dataclasses import dataclass
from enum import IntEnum

PATIENCE = 2                                     # frames over budget in a row before stepping down
CONFIDENCE = 25                                  # frames with room for more before stepping up
ROOM = 0.8                                       # of the budget: what a richer mode may cost to be tried
RETRY = 250                                      # frames switched off before a cheap mode is tried again
_WEIGHT = 0.3                                    # of a new measurement in the running mean


class Mode(IntEnum):
    """From nothing to everything."""

    OFF = 0
    ALTERNATE = 1                                # the cheaper region of every second frame
    MOUTH = 2                                    # the mouth region of every frame
    FULL = 3                                     # the whole face of every frame


class Way(IntEnum):
    """What is done to one frame."""

    PASS = 0                                     # nothing: it stays as it came
    WANE = 1                                     # what is left of earlier work fades
    REUSE = 2                                    # earlier work is shown again where nothing moved
    MOUTH = 3                                    # the network draws the mouth
    WHOLE = 4                                    # the network draws the face


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do with one frame."""

    mode: Mode
    compute: bool                                # run the network on this one

    @property
    def gentle(self) -> bool:
        """Whether only every second frame is drawn."""
        return self.mode is Mode.ALTERNATE

    def way(self, mouth: bool) -> Way:
        """The same, of a restorer that can draw the `mouth` alone or not."""
        if self.compute:
            return Way.WHOLE if self.mode is Mode.FULL or not mouth else Way.MOUTH
        return Way.REUSE if self.gentle else Way.WANE


class Governor:
    """`budget` in the unit costs are told in, per frame on average; None restores everything always.

    `mouth` is what the mouth region costs of a whole face, None where a restorer cannot do it alone.
    """

    def __init__(self, budget: float | None, mouth: float | None = None):
        self.budget = budget
        self._mouth = mouth
        part = mouth if mouth is not None else 1.0
        self._run = {Mode.FULL: 1.0, Mode.ALTERNATE: part}           # cost of one run in each mode, in whole faces
        if mouth is not None:
            self._run[Mode.MOUTH] = mouth
        self._cost: float | None = None                              # of one whole face
        self.mode = Mode.FULL
        self.restart()

    def restart(self) -> None:
        """Forget the frames seen; what was learned about cost and the mode stay."""
        self._over = self._under = self._idle = 0
        self._odd = False

    def expected(self, mode: Mode) -> float:
        """Cost per frame in `mode`, on average; 0 before anything was measured."""
        if mode is Mode.OFF or self._cost is None:
            return 0.0
        return self._cost * self._run[mode] / (2 if mode is Mode.ALTERNATE else 1)

    def plan(self) -> Plan:
        """The next frame's plan."""
        if self.mode is Mode.OFF:
            self._idle += 1
            if self._idle >= RETRY and self.expected(Mode.ALTERNATE) <= 2 * (self.budget or 0):
                self._switch(Mode.ALTERNATE)
        self._odd = not self._odd
        compute = self.mode is not Mode.OFF and (self.mode is not Mode.ALTERNATE or self._odd)
        return Plan(self.mode, compute)

    def spent(self, cost: float) -> None:
        """The network ran once in the current mode and took `cost` with everything around it."""
        if self.mode is Mode.OFF:
            return
        whole = cost / self._run[self.mode]
        self._cost = whole if self._cost is None else self._cost + _WEIGHT * (whole - self._cost)
        if self.budget is not None:
            self._decide(cost / (2 if self.mode is Mode.ALTERNATE else 1))

    def _decide(self, cost: float) -> None:
        self._over = self._over + 1 if cost > self.budget else 0
        richer = min((m for m in self._run if m > self.mode), default=None)
        roomy = richer is not None and self.expected(richer) <= ROOM * self.budget
        self._under = self._under + 1 if roomy else 0
        if self._over >= PATIENCE:
            fitting = [m for m in self._run if m < self.mode and self.expected(m) <= self.budget]
            self._switch(max(fitting, default=Mode.OFF))
        elif self._under >= CONFIDENCE:
            self._switch(richer)

    def settle(self, cost: float) -> None:
        """A whole face was measured beforehand: start in the richest mode that fits."""
        self._cost = cost
        if self.budget is not None:
            fitting = [m for m in self._run if self.expected(m) <= self.budget]
            self._switch(max(fitting, default=Mode.OFF))

    def _switch(self, mode: Mode) -> None:
        self.mode = mode
        self.restart()
