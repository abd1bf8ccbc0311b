"""The few shapes everything plugs into. Nothing to inherit: a class that has these members is one.

Each protocol has one contract check in `limner.engine.testing`, run on every implementation.
"""

from collections.abc import AsyncIterator, Sequence
from typing import Protocol, Self

from .types import AudioChunk, FeatureRows, FeatureWindow, Frame, Picture, Portrait


class AudioSource(Protocol):
    """An async context manager that yields sound, gap-free in `start`."""

    rate: int                                        # Hz of the chunks it yields
    live: bool                                       # True: arrives at wall-clock pace; False: as fast as it is read

    async def __aenter__(self) -> Self: ...
    async def __aexit__(self, *exc: object) -> None: ...
    def __aiter__(self) -> AsyncIterator[AudioChunk]: ...


class FeatureExtractor(Protocol):
    """Sound to rows at a fixed step. Streamed in any chunking equals one pass.

    The first chunk after construction or `reset` may have any `start`; row i then lies at its pts + i * step.
    """

    width: int                                       # D
    step: int                                        # ticks per row
    lookahead: int                                   # ticks of sound after a row's instant that the row needs

    def push(self, chunk: AudioChunk) -> FeatureRows | None: ...
    def reset(self) -> None: ...


class Animator(Protocol):
    """Feature window to picture.

    May have `budget: int`, the ticks one draw takes on a fit machine; without it `Settings.draw_ms` is declared; and
    `expression: Expression`, what the last picture shows with all own motion, for programs that follow the face.
    May have `listen(chunk: AudioChunk)`, called between draws with the voice of whom the avatar talks with, 16 kHz mono;
    its `pts` is the drawn instant at which it was heard.
    May have `draw_planes(window) -> Frame`, called instead of `draw` where no stage follows: the same picture, as
    `Frame.planes` where that spares work. May have `join(stages) -> Joined | None`, asked once it is seated where stages
    follow: what draws and passes them in one go, or None.
    """

    size: tuple[int, int]                            # (H, W)
    window: tuple[int, int]                          # rows (before, after) the drawn instant

    def sit(self, portrait: Portrait) -> None:
        """Once, slow: encode the identity, allocate, capture graphs."""

    def draw(self, window: FeatureWindow) -> Frame:
        """Often, fast: fixed shapes, no allocation growth. `Frame.duration` may be 0; the session fills it."""

    def reset(self) -> None:
        """Forget motion; the next draw equals the first after `sit`."""


class FrameStage(Protocol):
    """Interpolators and restorers.

    May have `factor: int`, frames out per frame in (2 for an interpolator that doubles the rate; 1 without it): the
    session then draws every `factor`-th frame only. May have `restores = True`: such a stage is left out first when
    the machine is too slow. `flush` leaves the stage as new.
    """

    delay: int                                       # frames held back, counted at the stage's input

    def push(self, frame: Frame) -> Sequence[Frame]: ...   # pts strictly increase
    def flush(self) -> Sequence[Frame]: ...


class Joined(Protocol):
    """An animator and the stages behind it in one go; frames as if drawn and passed through them, as `planes` alone."""

    def draw(self, window: FeatureWindow, *, duration: int, generation: int, thrifty: bool) -> Sequence[Frame]:
        """Often, fast: the frames now complete. `duration` is that of the drawn frame, before the stages; `thrifty` leaves
        out those with `restores`."""

    def flush(self) -> Sequence[Frame]:
        """As that of the stages: what is held back; the next frame is a new picture."""


class AVSink(Protocol):
    """An async context manager that takes pictures and sound; each carries its time on the one media clock.

    May have `watched: bool`; while it is False for every sink of a session, nothing is drawn and the last picture repeats.
    """

    async def __aenter__(self) -> Self: ...
    async def __aexit__(self, *exc: object) -> None: ...
    async def show(self, picture: Picture) -> None: ...
    async def play(self, chunk: AudioChunk) -> None: ...
