"""Speech that waits to be said."""

import asyncio

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from limner.engine.clock import SAMPLE_RATE, ManualClock
from limner.engine.errors import InputError
from limner.engine.pulse import Pulse
from limner.engine.testing import chunks_of
from limner.engine.utterance import AHEAD, Utterance


@given(st.lists(st.integers(0, 50), max_size=8), st.lists(st.integers(1, 60), min_size=1, max_size=8))
def test_it_gives_what_it_was_fed_in_order(fed, taken):
    async def body():
        utterance, total = Utterance(), sum(fed)
        at = 0
        for size in fed:
            utterance.feed(np.arange(at, at + size, dtype=np.float32))
            at += size
        assert utterance.held == total
        out = np.concatenate([utterance.take(count) for count in taken])
        assert np.array_equal(out, np.arange(min(total, sum(taken)), dtype=np.float32))
        assert utterance.held == total - len(out)

    asyncio.run(body())


async def test_it_settles_once():
    utterance = Utterance()
    utterance.feed(np.ones(10, np.float32))
    utterance.settle("interrupted")
    utterance.settle("finished")
    assert await utterance.done == "interrupted"
    assert utterance.state == "interrupted"
    assert utterance.held == 0


async def test_it_is_over_when_all_is_taken_and_nothing_will_come():
    utterance = Utterance()
    utterance.feed(np.ones(10, np.float32))
    utterance.complete = True
    assert not utterance.over
    utterance.take(10)
    assert utterance.over


async def test_silence_between_its_samples_is_not_counted_as_said():
    utterance = Utterance()
    for position, count in ((1000, 320), (1320, 80), (1400, 0), (2000, 100)):
        utterance.lay(position, count)
    assert [utterance.said_before(at) for at in (0, 1000, 1001, 1400, 1900, 2000, 2050, 9000)] == [
        0, 0, 1, 400, 400, 400, 450, 500,
    ]  # fmt: skip
    assert Utterance().said_before(5) == 0


async def stream(samples, rate=SAMPLE_RATE):
    for chunk in chunks_of(samples, 1600):
        yield chunk if rate == SAMPLE_RATE else type(chunk)(chunk.samples, rate, chunk.start, chunk.pts, 0)


async def test_a_stream_is_read_no_further_ahead_than_it_must():
    """A minute of speech that comes at once: thirty seconds are held, the rest once those were taken."""
    clock = ManualClock()
    pulse, utterance, begun = Pulse(clock), Utterance(), []
    filling = asyncio.create_task(
        utterance.fill(stream(np.zeros(60 * SAMPLE_RATE, np.float32)), lambda: begun.append(utterance.held), pulse)
    )
    await clock.settle(400)
    assert begun[0] == 1600
    assert AHEAD < utterance.held <= AHEAD + 1600
    utterance.take(60 * SAMPLE_RATE)
    pulse.fire()
    await clock.settle(800)
    assert filling.done()
    assert utterance.complete


async def test_an_interrupted_stream_is_left():
    clock = ManualClock()
    utterance = Utterance()
    utterance.settle("interrupted")
    await utterance.fill(stream(np.ones(3200, np.float32)), lambda: None, Pulse(clock))
    assert utterance.held == 0


async def test_a_stream_of_another_rate_is_refused():
    with pytest.raises(InputError, match="8000 Hz"):
        await Utterance().fill(stream(np.ones(3200, np.float32), 8000), lambda: None, Pulse(ManualClock()))
