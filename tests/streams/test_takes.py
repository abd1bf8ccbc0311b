"""Takes of a real session of fakes, in real time, into real files."""

import asyncio

import pytest

from limner.engine.clock import MonotonicClock
from limner.engine.config import Settings
from limner.engine.errors import OutputError, UsageError
from limner.engine.session import Session
from limner.engine.testing import CollectSink, FakeAnimator, FakeExtractor
from limner.streams.sinks.recorder import Recorder
from limner.streams.takes import Take
from tests.streams.mp4_reader import read_film

SIZE = (64, 64)
PATIENCE = 30          # s; only a broken session ever waits so long


@pytest.fixture
async def session():
    it = Session(extractor=FakeExtractor(), animator=FakeAnimator(SIZE[0]), sinks=[CollectSink()], clock=MonotonicClock(),
                 settings=Settings(fps=25, size=64))
    async with asyncio.timeout(PATIENCE), asyncio.TaskGroup() as group:
        group.create_task(it.run())
        await asyncio.sleep(0)
        yield it
        await it.close()


def take_of(session, path, sink=None):
    return Take(session, sink or Recorder(path, size=SIZE, fps=25), path.name)


async def recorded(path, size=4000):
    """Until something of it is on the disk."""
    part = path.with_name(f"{path.stem}.part.mp4")
    while not part.exists() or part.stat().st_size < size:
        await asyncio.sleep(0.02)


async def test_a_take_is_a_film_of_its_own_time(session, tmp_path):
    path = tmp_path / "a.mp4"
    take = take_of(session, path)
    await take.start()
    await recorded(path)
    assert not take.over.is_set()
    await take.stop()
    await take.stop()
    film = read_film(path)
    assert take.over.is_set() and len(film.times) >= 12 and film.times[0] == pytest.approx(0, abs=0.05)
    assert len(film.sound) / film.rate == pytest.approx(film.times[-1], abs=0.25)
    assert [p.name for p in tmp_path.iterdir()] == ["a.mp4"]


async def test_two_takes_one_after_the_other(session, tmp_path):
    for name in ("a.mp4", "b.mp4"):
        take = take_of(session, tmp_path / name)
        await take.start()
        await recorded(tmp_path / name)
        await take.stop()
    assert all(len(read_film(path).times) >= 12 for path in tmp_path.iterdir()) and len(list(tmp_path.iterdir())) == 2


async def test_the_sessions_end_ends_the_take(session, tmp_path):
    take = take_of(session, tmp_path / "a.mp4")
    await take.start()
    await recorded(tmp_path / "a.mp4")
    await session.close()
    assert take.over.is_set() and len(read_film(tmp_path / "a.mp4").times) >= 12
    await take.stop()


async def test_a_stop_while_the_session_ends_closes_it_once(session, tmp_path):
    take = take_of(session, tmp_path / "a.mp4", sink := CollectSink())
    await take.start()
    await asyncio.gather(session.close(), take.stop())
    assert sink.closed == 1 and take.over.is_set()


async def test_after_the_end_nothing_is_begun(session, tmp_path):
    ended = asyncio.create_task(session.close())
    await asyncio.sleep(0)
    for _ in range(2):                                   # while it ends, and after
        take = take_of(session, tmp_path / "a.mp4")
        with pytest.raises(UsageError, match="no more outlets"):
            await take.start()
        assert take.over.is_set() and not list(tmp_path.iterdir())
        await ended


async def test_a_full_disk_is_told_by_the_stop(session, tmp_path):
    class Full(CollectSink):
        async def show(self, picture):
            raise OutputError("no room left on the disk")

    take = take_of(session, tmp_path / "a.mp4", Full())
    await take.start()
    await take.over.wait()
    for _ in range(2):
        with pytest.raises(OutputError, match="no room left"):
            await take.stop()


async def test_what_cannot_be_opened_is_told_by_the_start_and_by_the_stop(session, tmp_path):
    take = take_of(session, tmp_path / "gone" / "a.mp4")
    starting, stopping = asyncio.create_task(take.start()), asyncio.create_task(take.stop())
    done, _ = await asyncio.wait({starting, stopping})
    assert all("cannot be created" in str(task.exception()) for task in done)


async def test_a_stop_waits_for_the_start(session, tmp_path):
    take = take_of(session, tmp_path / "a.mp4", sink := CollectSink())
    starting, stopping = asyncio.create_task(take.start()), asyncio.create_task(take.stop())
    await asyncio.wait({starting, stopping})
    assert sink.closed == 1 and take.over.is_set()
