"""An avatar of the real engine and small fakes on a manual clock."""

import pytest

from limner.clients.agents.voice import LiveAvatar
from limner.engine.clock import ManualClock
from limner.engine.config import Settings
from limner.engine.session import Session
from limner.engine.testing import FakeAnimator, FakeExtractor, InlineLane


@pytest.fixture
def avatar_on():
    """`avatar_on(clock)`: a grey square as bright as the speech, 16x16 at 25 fps, that takes 4 ms a picture."""

    def make_avatar(clock, fps=25) -> LiveAvatar:
        async def make(sink):
            lane = InlineLane(clock) if isinstance(clock, ManualClock) else None
            animator = FakeAnimator(16, cost=360, lane=lane) if lane else FakeAnimator(16)
            return Session(extractor=FakeExtractor(), animator=animator, sinks=[sink], clock=clock, lane=lane,
                           settings=Settings(fps=fps))

        return LiveAvatar(make, size=(16, 16), fps=fps)

    return make_avatar
