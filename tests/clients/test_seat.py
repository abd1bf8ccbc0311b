
import asyncio

import numpy as np
import pytest

from limner.clients import assemble
from limner.clients.options import Options
from limner.clients.seat import KEPT, Seat, desk
from limner.engine.errors import UsageError
from limner.engine.testing import FakeAnimator
from limner.engine.types import EXPRESSION_ROW, FeatureWindow
from limner.streams.sinks.null import Null
from limner.streams.wire import Event
from tests.streams.mp4_reader import read_film
from tests.streams.test_desk import Stage


def window(pts, level=0.0, voiced=False, width=EXPRESSION_ROW):
    return FeatureWindow(np.full((1, width), level, np.float32), pts, 900, np.array([voiced]), 0)


@pytest.fixture
def seat():
    return Seat(FakeAnimator(size=64, window=(0, 0)))


def test_it_draws_as_the_animator_does(seat):
    alone = FakeAnimator(size=64, window=(0, 0))
    np.testing.assert_array_equal(seat.draw(window(0, 0.5)).pixels, alone.draw(window(0, 0.5)).pixels)
    assert (seat.size, seat.window) == (alone.size, alone.window)


def test_what_was_drawn_is_the_newest_that_is_seen(seat):
    assert seat.drawn(0) is None
    for k in range(5):
        seat.draw(window(3600 * k, k / 10, voiced=k == 2))
    seen = seat.drawn(3600 * 2 + 100)
    assert (seen.pts, seen.voiced, seen.expression.weights[0]) == (7200, True, np.float32(0.2))
    assert seat.drawn(-1) is None


def test_what_is_drawn_anew_after_a_cut_replaces_what_was_ahead(seat):
    for k in range(5):
        seat.draw(window(3600 * k, 0.9))
    seat.draw(window(3600, 0.1))
    assert seat.drawn(3600 * 4).expression.weights[0] == np.float32(0.1)


def test_no_more_is_kept_than_can_be_asked_for(seat):
    for k in range(3 * KEPT):
        seat.draw(window(3600 * k))
    assert len(seat._drawn) <= KEPT + 1


def test_rows_that_are_no_expressions(seat):
    seat.draw(window(0, width=80, voiced=True))
    assert seat.drawn(0).expression is None and seat.drawn(0).voiced


def test_the_embedded_face_tells_what_it_drew_with_its_own_motion():
    face = assemble.face(Options(size=256))
    seat = Seat(face.animator)
    weights = []
    for k in range(200):                               # eight seconds: it blinks in them
        seat.draw(window(3600 * k))
        weights.append(seat.drawn(3600 * k).expression.weights)
    assert np.ptp(np.array(weights), 0).max() > 0.5


def test_another_must_fit(seat):
    other = FakeAnimator(size=128, window=(0, 0))
    with pytest.raises(UsageError, match="must be equal"):
        seat.take(other)


class Planes(FakeAnimator):
    """Joins its stages unless told not to, and gives planes."""

    joins = True

    def draw_planes(self, window):
        return self.draw(window)

    def join(self, stages):
        return Together(self, stages) if self.joins else None


class Together:
    def __init__(self, animator, stages):
        self.animator, self.stages, self.flushed = animator, stages, 0

    def draw(self, window, **about):
        return [self.animator.draw(window), about]

    def flush(self):
        self.flushed += 1
        return []


def test_planes_and_joined_pictures_are_noted_and_drawn_by_whoever_sits_here():
    first, second, third = (Planes(size=64, window=(0, 0)) for _ in range(3))
    seat = Seat(first)
    seat.draw_planes(window(0, voiced=True))
    joined = seat.join(["a stage"])
    frame, about = joined.draw(window(3600), duration=7, generation=1, thrifty=True)
    assert (seat.drawn(0).voiced, seat.drawn(3600).pts, frame.pts) == (True, 3600, 3600)
    assert about == {"duration": 7, "generation": 1, "thrifty": True} and first.drawn == [0, 3600]
    seat.take(second)
    joined.draw(window(7200))
    assert second.drawn == [7200] and seat.drawn(7200).pts == 7200 and seat._joined.stages == ["a stage"]
    assert joined.flush() == [] and seat._joined.flushed == 1
    third.joins = False
    with pytest.raises(UsageError, match="as the session does"):
        seat.take(third)
    seat.draw(window(10_800))
    assert second.drawn == [7200, 10_800]


def test_who_joins_nothing_is_passed_on_as_that(seat):
    assert seat.join([]) is None and not hasattr(seat, "draw_planes")


def test_a_mood_is_drawn_at_once_and_kept_by_whoever_comes_next():
    options = Options(size=256, liveliness=0.0)
    seat = Seat(assemble.face(options).animator)
    before = seat.draw(window(0)).pixels.copy()
    seat.feel("serious")
    serious = seat.draw(window(3600)).pixels.copy()
    assert np.abs(serious.astype(int) - before).max() > 10
    seat.take(assemble.face(options).animator)
    np.testing.assert_array_equal(seat.draw(window(7200)).pixels, serious)
    assert seat.mood == "serious"


def test_an_animator_without_moods_says_so(seat):
    with pytest.raises(UsageError, match="no moods"):
        seat.feel("warm")


async def test_another_avatar_while_the_session_draws():
    options = Options(size=256)
    face = assemble.face(options)
    face.animator = seat = Seat(face.animator)
    reception = desk(Stage(), seat, face, options)
    heard = asyncio.Queue()
    reception.tell(heard.put_nowait)
    before = seat.draw(window(0)).pixels.copy()
    other = next(n for n in reception.perform(Event("status"))["avatars"] if n != face.avatar.name)
    reception.perform(Event("mood", {"name": "warm"}))
    reception.perform(Event("avatar", {"name": other}))
    assert dict((await heard.get()).data) == {"name": other, "state": "changed"}
    assert np.abs(seat.draw(window(0)).pixels.astype(int) - before).mean() > 5
    assert seat.mood == "warm"


async def test_the_session_is_recorded_into_the_folder_given(tmp_path):
    options = Options(size=256)
    face = assemble.face(options)
    face.animator = seat = Seat(face.animator)
    session = assemble.session(options, sinks=[Null()], prepared=face)
    reception, heard = desk(session, seat, face, options, tmp_path), asyncio.Queue()
    reception.tell(heard.put_nowait)
    async with asyncio.timeout(30), asyncio.TaskGroup() as group:
        group.create_task(session.run())
        name = reception.perform(Event("record"))["name"]
        assert dict((await heard.get()).data) == {"name": name, "state": "started"}
        while sum(path.stat().st_size for path in tmp_path.iterdir()) < 20_000:
            await asyncio.sleep(0.02)
        reception.perform(Event("record_stop"))
        assert dict((await heard.get()).data) == {"name": name, "state": "stopped"}
        await session.close()
    assert [path.name for path in tmp_path.iterdir()] == [name] and len(read_film(tmp_path / name).times) >= 12


