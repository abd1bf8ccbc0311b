"""PCM in pieces to the engine's sound."""

import asyncio

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from limner.engine.clock import SAMPLE_RATE, ManualClock
from limner.engine.errors import UsageError
from limner.engine.testing import check_source, speech_like
from limner.streams.audio import mix_down, resample, to_float, to_s16
from limner.streams.pcm import PcmFeed


def given_by(feed: PcmFeed) -> np.ndarray:
    async def gather():
        chunks = [chunk async for chunk in feed]
        assert [c.start for c in chunks] == list(np.cumsum([0, *(len(c.samples) for c in chunks)]))[:-1]
        return np.concatenate([np.zeros(0, np.float32), *(c.samples for c in chunks)])

    return asyncio.run(gather())


@pytest.mark.parametrize("rate", (8_000, 16_000, 22_050, 44_100, 48_000))
@pytest.mark.parametrize("channels", (1, 2))
def test_pieces_cut_anywhere_equal_the_whole(rate, channels):
    """Cut even inside a sample, bit for bit what resampling the whole gives."""
    sound = to_s16(np.stack([speech_like(0.5, seed)[: rate // 2] for seed in range(channels)], axis=1))
    data, feed = sound.tobytes(), PcmFeed(rate, channels)
    rng, at = np.random.default_rng(0), 0
    while at < len(data):
        size = int(rng.integers(0, 999))
        feed.take(data[at : at + size])
        at += size
    feed.end()
    assert np.array_equal(given_by(feed), resample(mix_down(to_float(sound.T)), rate))


@given(st.lists(st.binary(max_size=9), max_size=20), st.integers(1, 4))
def test_any_bytes_are_sound(pieces, channels):
    feed = PcmFeed(16_000, channels)
    for piece in pieces:
        feed.take(piece)
    feed.end()
    samples = given_by(feed)
    assert len(samples) == len(b"".join(pieces)) // (2 * channels)
    assert np.isfinite(samples).all() and (np.abs(samples) <= 1).all()


@pytest.mark.parametrize("rate, channels", ((7_999, 1), (48_001, 1), (0, 1), (16_000, 0), (16_000, 9)))
def test_other_formats_are_refused_in_one_line(rate, channels):
    with pytest.raises(UsageError, match=f"{channels} channels at {rate} Hz: expected 1 to 8 channels at 8000 to 48000 Hz"):
        PcmFeed(rate, channels)


async def test_who_feeds_waits_for_room_and_who_discards_frees_it():
    feed = PcmFeed(SAMPLE_RATE)
    feed.take(bytes(2 * SAMPLE_RATE))
    feed.take(bytes(2 * SAMPLE_RATE))
    waiting = asyncio.create_task(feed.room(1))
    await asyncio.sleep(0)
    assert not waiting.done() and feed.waiting == 2 * SAMPLE_RATE
    reader = aiter(feed)
    await anext(reader)
    await waiting
    waiting = asyncio.create_task(feed.room(0.5))
    await asyncio.sleep(0)
    feed.discard()
    feed.take(bytes(100))                                  # too late
    await waiting
    with pytest.raises(StopAsyncIteration):
        await anext(reader)


async def test_it_keeps_the_contract_of_a_source():
    feed = PcmFeed(48_000, clock=ManualClock())
    for part in np.array_split(to_s16(speech_like(1.0).repeat(3)), 50):
        feed.take(part.tobytes())
    feed.end()
    await check_source(feed)
