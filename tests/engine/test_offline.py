"""A film: exact, complete, the same whatever the chunks."""

import numpy as np
import pytest

from limner.engine.clock import TICKS, frame_duration
from limner.engine.errors import InputError
from limner.engine.offline import film
from limner.engine.testing import FakeAnimator, FakeExtractor, chunks_of, speech_like, voiced
from limner.engine.types import AudioChunk, Frame, Picture


def make(samples, fps=25, sizes=320, stages=()):
    out = list(film(chunks_of(samples, sizes), FakeExtractor(), FakeAnimator(), stages, fps=fps))
    return [each for each in out if isinstance(each, Picture)], [each for each in out if isinstance(each, AudioChunk)], out


@pytest.mark.parametrize("fps", [24, 25, 30, 50, 60])
@pytest.mark.parametrize("count", [1, 159, 320, 16_000, 23_457])
def test_it_covers_all_sound_and_no_more(fps, count):
    samples = speech_like(2.0)[:count]
    pictures, sound, _ = make(samples, fps)
    duration = frame_duration(fps)
    assert [each.pts for each in pictures] == [k * duration for k in range(len(pictures))]
    assert (len(pictures) - 1) * duration < count * TICKS / 16_000 <= len(pictures) * duration
    assert np.array_equal(np.concatenate([each.samples for each in sound]), samples)


def test_no_sound_is_no_film():
    assert make(np.zeros(0, np.float32))[2] == []


def test_pictures_and_sound_are_in_order_of_time():
    _, _, out = make(speech_like(2.0))
    times = [each.pts for each in out]
    assert times == sorted(times)


@pytest.mark.parametrize("sizes", [1600, 32_000, [1, 2, 3, 500]])
def test_any_chunking_gives_the_same_film(sizes):
    samples = speech_like(1.5)
    expected, _, _ = make(samples)
    pictures, sound, _ = make(samples, sizes=sizes)
    assert len(pictures) == len(expected)
    assert all(np.array_equal(a.planes, b.planes) for a, b in zip(pictures, expected, strict=True))
    assert np.array_equal(np.concatenate([each.samples for each in sound]), samples)


def test_picture_k_shows_the_sound_of_its_instant():
    """A click in the row of 400 ms is seen in picture 10 and in none that is a row further away."""
    samples = np.zeros(16_000, np.float32)
    samples[6400 : 6400 + 160] = 0.8
    extractor = FakeExtractor(lookahead=900)         # one hop: a row covers its own 10 ms
    out = list(film(chunks_of(samples), extractor, FakeAnimator(window=(0, 0)), fps=25))
    seen = [each.pts for each in out if isinstance(each, Picture) and voiced(each)]
    assert seen == [36_000]


def test_a_stage_that_doubles_the_rate_covers_all_of_it():
    class Doubler:
        delay, factor = 1, 2

        def __init__(self):
            self.last = None

        def push(self, frame):
            last, self.last = self.last, frame
            if last is None:
                return []
            return [last, Frame(last.pixels, (last.pts + frame.pts) // 2, frame.duration, 0, "between")]

        def flush(self):
            return [] if self.last is None else [self.last]

    for count in (16_000, 16_000 + 320):
        pictures, _, _ = make(speech_like(2.0)[:count], 50, stages=[Doubler()])
        assert [each.pts for each in pictures] == [k * 1800 for k in range(-(-count // 320))]


def test_memory_is_bounded():
    """A film is made as it is read: after each picture little more sound was taken than that picture needs."""
    taken = 0

    def source():
        nonlocal taken
        for chunk in chunks_of(speech_like(20.0)):
            taken += len(chunk.samples)
            yield chunk

    for item in film(source(), FakeExtractor(), FakeAnimator(), fps=25):
        if isinstance(item, Picture):
            assert taken * 45 / 8 - item.pts < TICKS // 5


def test_wrong_input_is_refused():
    with pytest.raises(InputError, match="8000 Hz"):
        list(film([AudioChunk(np.zeros(8, np.float32), 8000, 0, 0, 0)], FakeExtractor(), FakeAnimator(), fps=25))
    with pytest.raises(ValueError, match="use 24, 25"):
        list(film([], FakeExtractor(), FakeAnimator(), fps=77))
