"""A session that nobody watches draws nothing, and is there at once when somebody does."""

import pytest

from limner.engine.testing import CollectSink, speech_like, voiced
from tests.engine.conftest import theatre  # noqa: F401


class Screen(CollectSink):
    watched = True


@pytest.fixture
def house(theatre):  # noqa: F811
    """A session with two screens and a voice of 20 s."""

    def open_(**parts):
        screens = []
        stage = theatre(speech_like(20.0, seed=3), sinks=lambda clock: screens.append(Screen(clock)) or screens, **parts)
        stage.sink.watched = True
        return stage, [stage.sink, *screens]

    return open_


def look_away(screens):
    for screen in screens:
        screen.watched = False


async def test_nothing_is_drawn_until_somebody_looks(house):
    stage, screens = house()
    await stage.advance(2000)
    look_away(screens)
    await stage.advance(100)                                     # what was begun
    drawn, heard = len(stage.animator.drawn), len(stage.sink.sound)
    await stage.advance(10_000)
    assert len(stage.animator.drawn) == drawn
    assert stage.session.metrics.counters["draws_spared"] >= 245
    assert len(stage.sink.sound) == heard + 500                  # the sound goes on, as recordings of it do
    screens[1].watched = True
    shown = len(stage.sink.pictures)
    await stage.advance(3000)
    fresh = [picture for picture in stage.sink.pictures[shown:] if picture.drawn == "key"]
    assert stage.sink.pictures[shown + 3].drawn == "key" and len(fresh) >= 72
    assert any(voiced(picture) for picture in fresh)


async def test_what_is_drawn_afterwards_is_what_is_heard_then(house):
    """The same pictures as if it had been watched all along."""
    (one, screens), (other, _) = house(), house()
    for stage in (one, other):
        await stage.advance(1000)
    look_away(screens)
    for stage in (one, other):
        await stage.advance(12_000)                              # longer than the soundtrack remembers
    screens[0].watched = True
    for stage in (one, other):
        await stage.advance(3000)
    a, b = ({p.pts: p.planes.tobytes() for p in stage.sink.pictures if p.drawn == "key"} for stage in (one, other))
    late = [pts for pts in a if pts > 13.3 * 90_000]
    assert len(late) > 60 and all(a[pts] == b[pts] for pts in late)


async def test_one_watched_sink_is_enough_and_a_first_picture_is_always_there(house):
    stage, screens = house()
    look_away(screens)
    await stage.advance(3000)
    assert len(stage.animator.drawn) <= 3 and stage.sink.pictures    # the warm-up, and the one that stands
    del stage.sink.watched                                       # a recorder says nothing, and wants everything
    await stage.advance(1000)
    assert len(stage.animator.drawn) >= 20
