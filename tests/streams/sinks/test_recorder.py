import asyncio
import gc

import pytest

from limner.engine.errors import ContractError, UsageError
from limner.engine.testing import check_sink
from limner.engine.types import Picture
from limner.streams.sinks.recorder import create
from tests.streams.mp4_reader import beeps, chunks_of, lag, plain, read_film

SIZE = (64, 64)


async def test_a_session_is_recorded_in_sync(tmp_path):
    sound = beeps(3)
    pictures = [plain(5000 + k * 3600, luma=235 if k == 50 else 16) for k in range(75)]
    async with create(str(tmp_path / "talk.mp4"), size=SIZE, fps=25) as sink:
        for item in sorted([*pictures, *chunks_of(sound, pts=5000)], key=lambda i: i.pts):
            await (sink.show(item) if isinstance(item, Picture) else sink.play(item))
    film = read_film(tmp_path / "talk.mp4")
    assert lag(film.sound, sound) == 0 and sink.written == 75
    assert [t for t, luma in zip(film.times, film.luma, strict=True) if luma > 128] == [2.0]


async def test_the_contract(tmp_path):
    await check_sink(create(str(tmp_path / "talk.mp4"), size=SIZE, fps=25), size=SIZE)
    assert len(read_film(tmp_path / "talk.mp4").times) == 9


async def test_pictures_and_sound_may_come_from_two_tasks(tmp_path):
    sound = beeps(2)
    async with create(str(tmp_path / "talk.mp4"), size=SIZE, fps=25) as sink, asyncio.TaskGroup() as group:
        group.create_task(each(sink.show, [plain(k * 3600) for k in range(50)]))
        group.create_task(each(sink.play, chunks_of(sound)))
    film = read_film(tmp_path / "talk.mp4")
    assert lag(film.sound, sound) == 0 and len(film.times) == 50


async def each(call, items):
    for item in items:
        await call(item)


async def test_an_error_elsewhere_keeps_what_was_recorded(tmp_path):
    with pytest.raises(RuntimeError, match="elsewhere"):
        async with create(str(tmp_path / "talk.mp4"), size=SIZE, fps=25) as sink:
            await sink.show(plain(0))
            raise RuntimeError("elsewhere")
    assert len(read_film(tmp_path / "talk.mp4").times) == 1


async def test_a_failure_behind_the_queue_is_told_once(tmp_path):
    with pytest.raises(ContractError, match="picture of"):
        async with create(str(tmp_path / "talk.mp4"), size=SIZE, fps=25) as sink:
            await sink.show(plain(0))
            await sink.show(plain(3600, (32, 32)))
    assert sink.written == 1 and len(read_film(tmp_path / "talk.mp4").times) == 1


@pytest.mark.parametrize("name, found", [("talk.avi", "ends in .mp4"), ("no/talk.mp4", "No such file")])
async def test_a_wrong_name_fails_on_entering(tmp_path, name, found):
    with pytest.raises(UsageError, match=found):
        async with create(str(tmp_path / name), size=SIZE, fps=25):
            pass


async def test_where_the_heap_is_settled_an_ended_recording_leaves_no_encoder_behind(tmp_path):
    def encoders():
        return sum(type(each).__name__ == "OutputContainer" for each in gc.get_objects())
    before = encoders()
    gc.collect()
    gc.disable()
    gc.freeze()
    try:
        async with create(str(tmp_path / "talk.mp4"), size=SIZE, fps=25) as sink:
            await each(sink.show, [plain(k * 3600) for k in range(5)])
            assert encoders() > 0
        assert encoders() == 0
    finally:
        gc.unfreeze()
        gc.enable()
    assert encoders() <= before
