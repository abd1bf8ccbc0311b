"""The animator's seat: who sits in it may change while the session draws, and what was drawn can be read."""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from limner.engine.errors import UsageError
from limner.engine.protocols import Animator, FrameStage, Joined
from limner.engine.session import Session
from limner.engine.types import EXPRESSION_ROW, Expression, FeatureWindow, Frame
from limner.models.avatar import bundled_avatars, load_avatar
from limner.streams.desk import Desk, Drawn

from . import assemble, recordings
from .options import MOODS, Options

T = TypeVar("T")
KEPT = 64                          # pictures whose expressions are kept: more than any latency cap holds


class Seat:
    """An Animator that draws with another. `draw` runs on the session's lane, the rest on its loop."""

    def __init__(self, animator: Animator) -> None:
        self._animator = animator
        self._mood: str | None = None            # asked for since; whoever sits here later draws in it too
        self._drawn: dict[int, Drawn] = {}
        self._joined: Joined | None = None
        self._stages: Sequence[FrameStage] = ()  # those it joined

    def __getattr__(self, name: str) -> Any:
        """Everything else is the animator's own; what it draws as planes is noted as well."""
        own = getattr(self._animator, name)
        return partial(self._noted, own) if name == "draw_planes" else own

    def draw(self, window: FeatureWindow) -> Frame:
        return self._noted(self._animator.draw, window)

    def join(self, stages: Sequence[FrameStage]) -> "Joint | None":
        """What draws and passes `stages` with whoever sits here, where the one who sits here now does."""
        self._joined, self._stages = _join(self._animator, stages), stages
        return None if self._joined is None else Joint(self)

    def draw_joined(self, window: FeatureWindow, **about: Any) -> Sequence[Frame]:
        return self._noted(partial(self._joined.draw, **about), window)

    def flush_joined(self) -> Sequence[Frame]:
        return self._joined.flush()

    def _noted(self, draw: Callable[[FeatureWindow], T], window: FeatureWindow) -> T:
        animator = self._animator
        made = draw(window)
        voiced = bool(window.voiced[animator.window[0]])
        drawn = {pts: each for pts, each in list(self._drawn.items())[-KEPT:] if pts < window.pts}
        # A new dict each time, so that the loop never reads one that is being changed.
        self._drawn = drawn | {window.pts: Drawn(window.pts, voiced, _expression(animator, window))}
        return made

    def drawn(self, pts: int) -> Drawn | None:
        """What the newest picture at or before `pts` shows."""
        drawn = self._drawn
        return drawn[max(older)] if (older := [at for at in drawn if at <= pts]) else None

    def take(self, animator: Animator) -> None:
        """Draw with `animator` from the next picture on. Raises UsageError when it does not fit the session."""
        fits = [(tuple(a.size), tuple(a.window)) for a in (self._animator, animator)]
        if fits[0] != fits[1]:
            raise UsageError(f"that avatar is drawn at {fits[1][0]}, the session at {fits[0][0]}: they must be equal")
        joined = None if self._joined is None else _join(animator, self._stages)
        if joined is None and self._joined is not None:
            raise UsageError("that avatar's animator does not draw restored or interpolated pictures as the session does")
        if self._mood is not None and hasattr(animator, "mood"):
            animator.mood = self._mood
        self._animator, self._joined = animator, joined

    def feel(self, mood: str) -> None:
        """Draw in this mood from the next picture on, whoever sits here. Raises UsageError when the animator has none."""
        if not hasattr(self._animator, "mood"):
            raise UsageError("this animator draws no moods; use morphable")
        self._mood = self._animator.mood = mood


class Joint:
    """`engine.protocols.Joined` of a seat."""

    def __init__(self, seat: Seat) -> None:
        self.draw, self.flush = seat.draw_joined, seat.flush_joined


def _join(animator: Animator, stages: Sequence[FrameStage]) -> Joined | None:
    return animator.join(stages) if hasattr(animator, "join") else None


def _expression(animator: Animator, window: FeatureWindow) -> Expression | None:
    """What the animator says it drew, else the row it was to draw, else nothing."""
    if hasattr(animator, "expression"):
        return animator.expression
    centre = animator.window[0]
    return Expression.from_row(window.rows[centre], window.pts) if window.rows.shape[1] == EXPRESSION_ROW else None


def desk(session: Session, seat: Seat, face: assemble.Face, options: Options, folder: Path | None = None) -> Desk:
    """What other programs may do with this session. Avatars to change to: the one it began with, and the bundled ones.

    What they record goes into `folder`; without one they cannot.
    """
    own = face.avatar

    async def change(name: str) -> None:
        def rig() -> Animator:
            return assemble.face(options, own if name == own.name else load_avatar(name)).animator

        seat.take(await asyncio.to_thread(rig))

    film = partial(recordings.new, folder, size=tuple(seat.size), fps=options.fps) if folder else None
    return Desk(session, drawn=seat.drawn, avatars={own.name, *bundled_avatars()}, change=change, moods=MOODS, feel=seat.feel, film=film)
