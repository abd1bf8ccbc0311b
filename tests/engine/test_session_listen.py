"""The other person's voice reaches an animator that listens, in its own time and order, and is never heard again."""

import numpy as np
import pytest

from limner.engine.clock import SAMPLE_RATE, TICKS_PER_MS, ticks_from_samples
from limner.engine.errors import InputError
from limner.engine.testing import FakeAnimator, speech_like
from limner.engine.types import AudioChunk


class Listener(FakeAnimator):
    """Remembers what it was told, and how many pictures it had drawn by then."""

    def __init__(self, **options) -> None:
        super().__init__(**options)
        self.told: list[tuple[int, int, int]] = []
        self.draws = 0

    def listen(self, chunk: AudioChunk) -> None:
        self.told.append((chunk.pts, len(chunk.samples), self.draws))

    def draw(self, window):
        self.draws += 1
        return super().draw(window)


def heard(number: int, samples: np.ndarray) -> AudioChunk:
    return AudioChunk(samples, SAMPLE_RATE, number * len(samples), 0, 0)


async def test_the_other_voice_is_heard_when_it_sounds_and_not_said(theatre):
    animator = Listener(window=(2, 1))
    stage = theatre(animator=animator)
    await stage.advance(300)
    voice, positions = speech_like(1.0, pause=0.0002), []
    for number in range(50):
        await stage.advance(20)
        positions.append(stage.clock.now() - stage.session.due(0))
        stage.session.listen(heard(number, voice[number * 320:(number + 1) * 320]))
    await stage.advance(200)
    assert [length for _, length, _ in animator.told] == [320] * 50
    assert [pts + ticks_from_samples(320) for pts, _, _ in animator.told] == positions
    draws = [at for _, _, at in animator.told]
    assert draws == sorted(draws) and len(set(draws)) >= 20              # taken in picture by picture, not at the end
    assert not stage.sink.heard.any()


async def test_nothing_is_kept_for_an_animator_that_does_not_listen(theatre):
    stage = theatre()
    stage.session.listen(heard(0, np.zeros(320, np.float32)))            # before it runs
    await stage.advance(300)
    stage.session.listen(heard(0, speech_like(0.5)))
    await stage.advance(300)
    assert stage.session.metrics.counters["draw_failures"] == 0 and len(stage.sink.pictures) > 5


async def test_the_other_voice_has_the_form_of_any_sound(theatre):
    stage = theatre()
    await stage.advance(100)
    with pytest.raises(InputError):
        stage.session.listen(AudioChunk(np.zeros(480, np.float32), 48_000, 0, 0, 0))


async def test_a_stalled_drawing_keeps_the_newest_seconds_only(theatre):
    animator = Listener(window=(2, 1))
    stage = theatre(animator=animator)
    await stage.advance(100)
    before = len(animator.told)
    for number in range(1000):
        stage.session.listen(heard(number, np.zeros(320, np.float32)))
    await stage.advance(100)
    assert len(animator.told) - before == 250
    assert animator.told[-1][0] <= 100 * TICKS_PER_MS
