"""The stream around a spectrum: instants, chunking, ends, and what is refused."""

import numpy as np
import pytest

from limner.engine.errors import UsageError
from limner.engine.types import AudioChunk
from limner.models.windowed import WindowedFeatures
from limner.models.windowing import Windower


class Means(WindowedFeatures):
    """The mean of each window of four samples, two apart."""

    def __init__(self, **settings):
        super().__init__(Windower(4, 2), rate=100, width=1, **settings)

    def rows_of(self, windows):
        return windows.mean(1, keepdims=True).astype(np.float32)


def chunk(samples, pts=0, rate=100):
    return AudioChunk(np.asarray(samples, np.float32), rate, 0, pts, 7)


def test_rows_lie_a_step_apart_from_the_first_chunks_instant():
    means = Means()
    first = means.push(chunk([1, 1, 1, 1, 3], pts=500))
    then = means.push(chunk([3]))
    assert (first.rows.tolist(), first.pts, first.captured_ns) == ([[1.0]], 500, 7)
    assert (then.rows.tolist(), then.pts) == ([[2.0]], 500 + means.step)
    assert means.step == 2 * 900 and means.lookahead == 4 * 900


def test_too_little_sound_gives_no_row_and_the_end_completes_it():
    means = Means()
    assert means.push(chunk([4, 4])) is None
    assert means.finish().rows.tolist() == [[2.0]]


@pytest.mark.parametrize("cut", [1, 3, 5])
def test_any_chunking_equals_one_pass(cut):
    sound = np.random.default_rng(1).standard_normal(40)
    parts = Means(emphasis=0.9, scale=3.0)
    rows = [parts.samples(sound[i:i + cut]) for i in range(0, 40, cut)] + [parts.flush()]
    assert np.concatenate(rows) == pytest.approx(Means(emphasis=0.9, scale=3.0).whole(sound), abs=1e-6)


def test_reset_equals_fresh():
    means = Means(emphasis=0.9)
    means.push(chunk([1, 2, 3, 4, 5]))
    means.reset()
    assert means.push(chunk([1, 2, 3, 4], pts=9)).pts == 9


def test_another_rate_is_refused():
    with pytest.raises(UsageError, match="sound at 8000 Hz where 100 Hz is expected"):
        Means().push(chunk([0], rate=8000))
