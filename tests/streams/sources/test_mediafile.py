import io

import numpy as np
import pytest

from limner.engine.clock import ManualClock
from limner.engine.errors import MediaError
from limner.engine.testing import check_source
from limner.streams.media import read_chunks
from limner.streams.sources.mediafile import MediaFile, create
from tests.streams.sounds import tone, wav


@pytest.fixture
def speech(tmp_path):
    return wav(tmp_path / "a.wav", tone(1.3, 44_100), 44_100)


async def read(source: MediaFile) -> list:
    async with source:
        return [chunk async for chunk in source]


async def test_it_yields_what_reading_at_once_gives(speech):
    got, want = await read(create(str(speech))), list(read_chunks(speech))
    assert [(c.start, c.pts, c.captured_ns) for c in got] == [(c.start, c.pts, c.captured_ns) for c in want]
    np.testing.assert_array_equal(np.concatenate([c.samples for c in got]), np.concatenate([c.samples for c in want]))


async def test_a_clock_stamps_the_moment_of_reading(speech):
    clock = ManualClock()
    await clock.advance(90_000)
    assert {c.captured_ns for c in await read(MediaFile(speech, clock))} == {1_000_000_000}


async def test_the_contract(speech):
    assert len(await check_source(MediaFile(speech))) == 3200


async def test_an_open_file_and_leaving_early(speech):
    source = MediaFile(io.BytesIO(speech.read_bytes()))
    async with source:
        first = [chunk async for _, chunk in azip(3, source)]
    assert [c.start for c in first] == [0, 320, 640]


async def azip(n, source):
    async for chunk in source:
        if not n:
            return
        n -= 1
        yield n, chunk


async def test_a_bad_file_fails_on_entering(tmp_path):
    with pytest.raises(MediaError, match="no such file"):
        await read(MediaFile(tmp_path / "missing.wav"))
    (tmp_path / "b.wav").write_text("text")
    with pytest.raises(MediaError, match="not a sound"):
        await read(MediaFile(tmp_path / "b.wav"))
