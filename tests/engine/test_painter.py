"""Sound in, pictures out, on one thread."""

import dataclasses

import numpy as np
import pytest

from limner.engine.clock import TICKS_PER_MS
from limner.engine.colour import i420
from limner.engine.errors import ContractError
from limner.engine.painter import EASE, Painter
from limner.engine.testing import FakeAnimator, FakeExtractor, chunks_of, speech_like, voiced
from limner.engine.types import EXPRESSION_ROW, AudioChunk, Expression, Frame

DURATION = 3600
TONE = np.full(16_000, 0.5, np.float32)


def painter(width=EXPRESSION_ROW, stages=(), **more):
    return Painter(FakeExtractor(width), FakeAnimator(window=(2, 1)), stages, duration=DURATION, **more)


def hear(paint, samples, start=0):
    paint.hear(AudioChunk(samples, 16_000, start, start * 45 // 8, 7))


def level(picture):
    """Luma of the picture's middle, 16 for a row of zeros."""
    return int(picture.planes[8, 8])


def test_pictures_carry_time_generation_and_capture():
    paint = painter()
    hear(paint, TONE)
    (picture,) = paint.paint(3600, generation=4)
    assert (picture.pts, picture.duration, picture.generation, picture.captured_ns) == (3600, DURATION, 4, 7)
    assert picture.drawn == "key"
    assert voiced(picture)


def test_covered_counts_look_ahead_and_window():
    paint = painter()
    assert paint.covered is None
    hear(paint, TONE[:1600])                   # 100 ms: rows to 40 ms, of which one lies after the drawn instant
    assert paint.covered == 30 * TICKS_PER_MS


def test_warm_up_leaves_it_new():
    samples = speech_like(1.0)
    fresh, warm = painter(), painter()
    warm.warm_up()
    for paint in (fresh, warm):
        hear(paint, samples)
    assert np.array_equal(fresh.paint(7200)[0].planes, warm.paint(7200)[0].planes)


def test_warm_up_draws_a_mouth_that_speaks():
    seen = []

    class Watching(FakeAnimator):
        def draw(self, window):
            seen.append(window.voiced.copy())
            return super().draw(window)

    Painter(FakeExtractor(), Watching(), duration=DURATION).warm_up()
    assert len(seen) == 1 and seen[0].all()


class Finishing(FakeAnimator):
    """Gives planes alone, one level brighter than its pixels would be."""

    def draw_planes(self, window):
        frame = self.draw(window)
        return dataclasses.replace(frame, pixels=None, planes=i420(frame.pixels) + np.uint8(1))


def test_planes_an_animator_gives_are_the_picture():
    plain, finishing = painter(), Painter(FakeExtractor(), Finishing(window=(2, 1)), duration=DURATION)
    for paint in (plain, finishing):
        hear(paint, TONE)
    (want,), (got,) = plain.paint(3600, generation=4), finishing.paint(3600, generation=4)
    assert np.array_equal(got.planes, want.planes + 1) and got.alpha is None
    assert dataclasses.replace(got, planes=None) == dataclasses.replace(want, planes=None)
    halved = [finishing.paint(pts, halve=True) for pts in (10_800, 18_000)]
    assert [picture.pts for picture in halved[1]] == [14_400, 18_000]


def test_pixels_are_drawn_for_stages():
    """And for whoever takes over from an animator that gives planes."""
    class Same:
        delay = 0

        def push(self, frame):
            assert frame.pixels is not None
            return [frame]

        def flush(self):
            return []

    staged = Painter(FakeExtractor(), Finishing(window=(2, 1)), [Same()], duration=DURATION)
    finishing = Painter(FakeExtractor(), Finishing(window=(2, 1)), duration=DURATION)
    finishing.fall_back(FakeExtractor(), FakeAnimator(window=(2, 1)))
    for paint in (staged, finishing):
        hear(paint, TONE)
    want = painter()
    hear(want, TONE)
    want = want.paint(3600)[0].planes
    assert np.array_equal(staged.paint(3600)[0].planes, want) and np.array_equal(finishing.paint(3600)[0].planes, want)


class Together:
    """Draws and passes its stages in one go: planes one level brighter than theirs, doubled."""

    def __init__(self, animator, stages):
        self.animator, self.stages, self.flushed, self.thrifty = animator, stages, 0, []

    def draw(self, window, *, duration, generation, thrifty):
        self.thrifty.append(thrifty)
        frame = dataclasses.replace(self.animator.draw(window), duration=duration, generation=generation)
        planes = i420(frame.pixels) + np.uint8(1)
        return [dataclasses.replace(frame, pixels=None, planes=planes, pts=frame.pts + k * DURATION, generation=generation) for k in (0, 1)]

    def flush(self):
        self.flushed += 1
        return []


class Joining(FakeAnimator):
    def join(self, stages):
        self.joined = Together(self, stages)
        return self.joined


class Doubling:
    delay, factor = 0, 2

    def push(self, frame):
        return [frame, dataclasses.replace(frame, pts=frame.pts + DURATION)]

    def flush(self):
        return []


def test_stages_an_animator_joins_are_passed_by_it_alone():
    """Not asked without stages, nor anew after a rest; interrupts reach it, and the stages are whoever's that takes over."""
    stages = [Doubling()]
    animator = Joining(window=(2, 1))
    joining, plain = (Painter(FakeExtractor(), each, stages, duration=DURATION) for each in (animator, FakeAnimator(window=(2, 1))))
    assert animator.joined.stages == tuple(stages) and joining.stride == 2
    for paint in (plain, joining):
        hear(paint, TONE)
    want, got = (paint.paint(3600, generation=4, thrifty=True) for paint in (plain, joining))
    for one, other in zip(got, want, strict=True):
        assert np.array_equal(one.planes, other.planes + 1)
        assert dataclasses.replace(one, planes=None) == dataclasses.replace(other, planes=None)
    assert animator.joined.thrifty == [True] and animator.joined.flushed == 0
    joined = animator.joined
    joining.restart(7200)
    joining.wake()
    assert joining.flush() == [] and joined.flushed == 3 and animator.joined is joined
    joining.fall_back(FakeExtractor(), FakeAnimator(window=(2, 1)))
    hear(joining, TONE)
    assert np.array_equal(joining.paint(3600)[0].planes, want[0].planes) and len(joined.thrifty) == 1
    alone = Joining()
    Painter(FakeExtractor(), alone, duration=DURATION)
    assert not hasattr(alone, "joined")


def test_warm_up_finds_an_extractor_that_needs_more_than_it_says():
    class Liar(FakeExtractor):
        def push(self, chunk):
            return None

    paint = Painter(Liar(), FakeAnimator(), duration=DURATION)
    with pytest.raises(ContractError, match="gave no row"):
        paint.warm_up()


def test_a_cut_mouth_closes_over_two_pictures_without_a_jump():
    paint = painter()
    hear(paint, TONE)
    open_ = level(paint.paint(18_000)[0])
    paint.restart(21_600)
    hear(paint, np.zeros(8000, np.float32), 21_600 * 8 // 45)
    levels = [level(paint.paint(21_600 + k * DURATION)[0]) for k in range(4)]
    assert levels[0] == open_                  # eased from the last row
    assert levels[0] > levels[1] > levels[2] == levels[3] == 16
    assert 2 * DURATION == EASE


def test_sound_after_a_rest_is_not_eased():
    samples = speech_like(1.0, pause=0.001)
    fresh, cut = painter(), painter()
    hear(cut, np.zeros(16_000, np.float32))
    cut.restart(36_000)
    hear(cut, samples, 6400)
    hear(fresh, samples)
    for k in range(5):
        again = cut.paint(36_000 + k * DURATION)[0]
        assert np.array_equal(again.planes, fresh.paint(k * DURATION)[0].planes)


def test_other_rows_are_not_eased_but_follow_the_silence():
    paint = painter(width=80)
    hear(paint, TONE)
    paint.restart(21_600)
    hear(paint, np.zeros(8000, np.float32), 3840)
    assert level(paint.paint(21_600)[0]) == 16
    assert not paint.takes_expressions


def test_outside_expressions_are_added_and_stay_in_range():
    paint = painter()
    hear(paint, np.zeros(16_000, np.float32))
    smile = Expression.neutral()
    smile.weights[10] = 0.5
    paint.overlay(smile.row())
    assert level(paint.paint(0)[0]) > 110
    smile.weights[10] = 40
    paint.overlay(smile.row())
    assert level(paint.paint(3600)[0]) == 235
    paint.overlay(None)
    assert level(paint.paint(7200)[0]) == 16


class Doubler:
    """An interpolator: the mean of the last two frames between them."""

    delay, factor = 1, 2

    def __init__(self):
        self.last = None

    def push(self, frame):
        last, self.last = self.last, Frame(frame.pixels.copy(), frame.pts, frame.duration, frame.captured_ns)
        if last is None:
            return []
        middle = (last.pixels // 2 + frame.pixels // 2).astype(np.uint8)
        return [last, Frame(middle, (last.pts + frame.pts) // 2, frame.duration, frame.captured_ns, "between")]

    def flush(self):
        last, self.last = self.last, None
        return [] if last is None else [last]


class Brighten:
    """A restorer."""

    delay, restores = 0, True

    def push(self, frame):
        return [dataclasses.replace(frame, pixels=np.minimum(frame.pixels, 215) + 40)]

    def flush(self):
        return []


def test_stages_run_in_order_and_flush():
    paint = painter(stages=[Doubler(), Brighten()])
    assert paint.stride == 2
    hear(paint, TONE)
    pictures = [each for k in range(3) for each in paint.paint(k * 2 * DURATION)] + paint.flush()
    assert [each.pts for each in pictures] == [0, 3600, 7200, 10_800, 14_400]
    assert [each.drawn for each in pictures] == ["key", "between", "key", "between", "key"]
    assert {each.duration for each in pictures} == {DURATION}
    plain = painter()
    hear(plain, TONE)
    assert min(level(each) for each in pictures) > level(plain.paint(0)[0]) + 20


def test_thrift_leaves_restorers_out():
    paint = painter(stages=[Brighten()])
    hear(paint, np.zeros(8000, np.float32))
    assert level(paint.paint(0)[0]) > 16
    assert level(paint.paint(3600, thrifty=True)[0]) == 16


def test_half_rate_blends_the_picture_between():
    paint = painter()
    hear(paint, speech_like(1.0, pause=0.05))
    first = paint.paint(0, halve=True)
    second = paint.paint(2 * DURATION, halve=True)
    assert [each.pts for each in first + second] == [0, 3600, 7200]
    a, middle, b = first[0], *second
    assert middle.drawn == "between"
    assert np.array_equal(middle.planes, (a.planes.astype(np.uint16) + b.planes) // 2)


def test_half_rate_blends_nothing_over_a_gap_or_a_cut():
    paint = painter()
    hear(paint, TONE)
    paint.paint(0, halve=True)
    assert [each.pts for each in paint.paint(5 * DURATION, halve=True)] == [18_000]
    paint.restart(25_200)
    hear(paint, TONE, 4480)
    assert [each.pts for each in paint.paint(25_200, halve=True)] == [25_200]


def test_streamed_equals_one_pass():
    samples = speech_like(2.0)
    whole, streamed = painter(), painter()
    hear(whole, samples)
    for chunk in chunks_of(samples, [77, 320, 1601]):
        streamed.hear(chunk)
    for k in range(40):
        assert np.array_equal(whole.paint(k * DURATION)[0].planes, streamed.paint(k * DURATION)[0].planes)


def test_a_fallback_goes_on_with_the_sound_that_follows():
    paint = painter(width=80)
    hear(paint, TONE)
    paint.fall_back(FakeExtractor(), FakeAnimator(window=(0, 0)))
    hear(paint, TONE, 16_000)
    assert voiced(paint.paint(90_000)[0])
    assert paint.takes_expressions
