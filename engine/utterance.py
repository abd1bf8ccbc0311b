"""Speech given to the session to be said: a buffer that fills at any pace and a promise that it was seen."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from .clock import SAMPLE_RATE
from .pulse import Pulse
from .sound import checked
from .types import AudioChunk

AHEAD = 30 * SAMPLE_RATE                         # samples held before whoever feeds has to wait
State = Literal["waiting", "speaking", "finished", "interrupted"]


class Utterance:
    """What `Session.say` returns. `await utterance.done` gives the final state once its last word has been seen.

    `state` goes waiting -> speaking -> finished, or interrupted from either.
    """

    def __init__(self) -> None:
        self.state: State = "waiting"
        self.done: asyncio.Future[State] = asyncio.get_running_loop().create_future()
        self.held = 0                            # samples fed and not yet taken
        self.complete = False                    # nothing more will be fed
        self.starving = False                    # ran dry for too long; silence stands in until more comes
        self._parts: deque[NDArray[np.float32]] = deque()
        self._laid: list[tuple[int, int, int]] = []     # position in the soundtrack, first own sample, count
        self._given = 0                          # samples laid

    @property
    def over(self) -> bool:
        """Whether every sample was taken and none will come."""
        return self.complete and not self.held

    def feed(self, samples: NDArray[np.float32]) -> None:
        """Append f32 [n] at 16 kHz."""
        if len(samples):
            self._parts.append(samples)
            self.held += len(samples)
            self.starving = False

    async def fill(self, speech: AsyncIterator[AudioChunk], begin: Callable[[], None], pulse: Pulse) -> None:
        """Feed all `speech` yields, holding little more than `AHEAD`; after each chunk `begin` is called."""
        async for chunk in speech:
            if self.state in ("finished", "interrupted"):
                return
            self.feed(checked(chunk))
            begin()
            pulse.fire()
            while self.held > AHEAD:
                await pulse.until()
        self.complete = True
        begin()
        pulse.fire()

    def take(self, count: int) -> NDArray[np.float32]:
        """Up to `count` samples, fewer when fewer are there."""
        taken = []
        while count and self._parts:
            part = self._parts.popleft()
            taken.append(part[:count])
            if len(part) > count:
                self._parts.appendleft(part[count:])
            count -= len(taken[-1])
        out = np.concatenate(taken) if taken else np.zeros(0, np.float32)
        self.held -= len(out)
        return out

    def lay(self, position: int, count: int) -> None:
        """The next `count` of its samples are heard from `position` of the soundtrack on."""
        if not count:
            return
        at, first, before = self._laid[-1] if self._laid else (0, 0, 0)
        if before and at + before == position:
            self._laid[-1] = (at, first, before + count)
        else:
            self._laid.append((position, self._given, count))
        self._given += count

    def said_before(self, position: int) -> int:
        """How many of its samples are heard before `position` of the soundtrack: silence between them does not count."""
        for at, first, count in reversed(self._laid):
            if at < position:
                return first + min(count, position - at)
        return 0

    def settle(self, state: State) -> None:
        """Enter a final state, once."""
        if self.state in ("waiting", "speaking"):
            self.state = state
            self._parts.clear()
            self.held, self.complete = 0, True
            if not self.done.done():
                self.done.set_result(state)
