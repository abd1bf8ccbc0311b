"""The chain as one step in a session: interrupts, cuts and holes, who is thrifty, who joins, who shares."""

import logging

import numpy as np
import pytest

from limner.engine.offline import film
from limner.engine.testing import FakeAnimator, FakeExtractor, speech_like
from limner.engine.types import AudioChunk, FeatureWindow, Picture
from limner.models.amt.live import LiveAMT
from limner.models.animators.dinet import DINetAnimator
from limner.models.face.colour import to_picture
from limner.models.interpolators.amt import AmtStage
from limner.models.restoration.live import RestorationStage, Restorer
from limner.models.restorers.sharpen import SharpenStage
from tests.models import faces
from tests.models.chains import DRAWN, SIZE, Made, both, compare, networks, play


@pytest.fixture
def clip(monkeypatch):
    return play(monkeypatch)


@pytest.mark.parametrize(("told", "more"), [("restart", {}), ("generation", {"generation": 1}), ("wake", {})])
def test_nothing_is_drawn_across_an_interrupt(clip, told, more):
    """The speech is replaced, what was shown became stale, or nobody watched for a while."""
    pictures = []
    for made in both():
        paint = made.hear()
        shown = [p for k in range(3) for p in paint.paint(DRAWN * k)]
        if told == "restart":
            paint.restart(DRAWN * 3)
        elif told == "wake":
            paint.wake()
        if told != "generation":
            start = DRAWN * 3 if told == "restart" else 0
            paint.hear(AudioChunk(speech_like(1.0, seed=4), 16_000, start * 8 // 45, start, 0))
        pictures.append(shown + [p for k in range(3, 5) for p in paint.paint(DRAWN * k, **more)])
    compare(*pictures)
    assert [p.drawn for p in pictures[0]] == ["key", "between", "key", "between", "key", "key", "between", "key"]


def test_a_film_is_the_same_to_its_last_picture(clip):
    """What is held back is flushed at the end of the sound."""
    sound, pictures = speech_like(0.23), []
    for made in both():
        chunks = [AudioChunk(sound, 16_000, 0, 0, 0)]
        shown = film(chunks, FakeExtractor(29), made.animator, made.stages, fps=50, colour=to_picture)
        pictures.append([each for each in shown if isinstance(each, Picture)])
    compare(*pictures)
    assert [p.pts for p in pictures[0]] == list(range(0, 20_700, 1800))


def test_a_cut_in_the_clip_is_not_bridged(clip):
    clip[0][3:] = 255 - clip[0][3:, :, ::-1]
    pictures = []
    for made in both(restore=False):
        paint = made.hear()
        pictures.append([p for k in range(5) for p in paint.paint(DRAWN * k)])
    assert [p.drawn for p in pictures[0]] == ["key"] + ["between", "key"] * 2 + ["repeat", "key"] + ["between", "key"]
    compare(*pictures)


def test_pictures_left_out_fade_between_what_is_drawn(clip):
    """Every second draw left out: the picture half way is the network's, those at the quarters are means of two."""
    made = Made(True)
    paint = made.hear()
    first, *rest = [p for k in (0, 2) for p in paint.paint(DRAWN * k)]
    assert [(p.pts, p.drawn) for p in rest] == [(1800, "between"), (3600, "between"), (5400, "between"), (7200, "key")]
    quarter, half, last, end = (p.planes.astype(int) for p in rest)
    assert np.abs(quarter - (first.planes + half) / 2).max() <= 0.5 and np.abs(last - (half + end) / 2).max() <= 0.5
    stages = Made(False).hear()
    _, *want = [p for k in (0, 2) for p in stages.paint(DRAWN * k)]
    compare(rest[1::2], want[1::2])


def test_a_thrifty_picture_is_not_restored_and_leaves_the_memory_alone(clip):
    one, other = both()
    order = [False, False, True, True, False]
    pictures = []
    for made in (one, other):
        paint = made.hear()
        pictures.append([p for k, thrifty in enumerate(order) for p in paint.paint(DRAWN * k, thrifty=thrifty)])
    compare(*pictures)
    assert one.stages[0].counts == other.stages[0].counts and one.stages[0].restored == 3
    plain = Made(True, restore=False)
    paint = plain.hear()
    bare = [p for k in range(5) for p in paint.paint(DRAWN * k)]
    assert np.array_equal(bare[6].planes, pictures[0][6].planes)         # the fourth drawn picture: nothing restored
    assert np.abs(bare[8].planes.astype(int) - pictures[0][8].planes).mean() > 1


def test_who_takes_over_passes_the_stages(clip):
    made = Made(True)
    made.hear().paint(0)
    made.painter.fall_back(FakeExtractor(), FakeAnimator(size=SIZE))
    pictures = [p for k in range(3) for p in made.hear().paint(DRAWN * k)]
    assert made.painter._joined is None and [p.drawn for p in pictures] == ["key", "between", "key", "between", "key"]


def test_what_cannot_join_is_said_once(clip, caplog):
    caplog.set_level(logging.INFO, "limner")
    made, own = Made(True), Made(False)
    stage, between = made.stages
    foreign = RestorationStage(Restorer(lambda face: face))
    between.live.device = "cuda:7"
    for stages, why in (([SharpenStage(), between], "SharpenStage draws there"), ([foreign], "not a network of ours"),
                        ([between, stage], "comes after the interpolator"), ([stage, between], "they are on cpu, cuda:7")):
        caplog.clear()
        assert made.animator.join(stages) is None
        assert len(caplog.records) == 1 and why in caplog.text
    caplog.clear()
    assert own.animator.join([stage]) is None and not caplog.records            # a CPU's own way


def test_sessions_of_one_network_are_drawn_together(clip):
    """Equal recipes; each with its own memory."""
    between = networks()[1]
    first = Made(True, shared=True)
    second = DINetAnimator(first.drawing, size=SIZE, mouth=64, clip="idle.mp4")
    second.sit(faces.portrait())
    restorer = first.stages[0].restorer
    stages = [RestorationStage(restorer), AmtStage(50, LiveAMT(between, region=False))]
    stages[0].seat(faces.moving(1, SIZE)[1][0], (SIZE, SIZE))
    joined = [first.painter._joined, second.join(stages)]
    alone = Made(True)

    def window(k, number):
        rows = np.random.default_rng((k, number)).standard_normal((9, 29)).astype(np.float32)
        return FeatureWindow(rows, DRAWN * k, 1800, np.ones(9, bool), 0)

    def after(each, k, number):
        asked = each._ask(window(k, number))
        if not each._ready:
            each._prepare(asked)
        return asked.source, asked.heard, each._after(asked, *each._restoring.next())

    calls = []
    live, decode = first.drawing.live, first.drawing.live.decode
    live.decode = lambda *inputs: calls.append(len(inputs[-1])) or decode(*inputs)
    for k in range(2):
        got = first.drawing._draw([after(each, k, number) for number, each in enumerate(joined)])
        want = alone.drawing._draw([after(alone.painter._joined, k, 0)])
        assert np.abs(got[0].astype(int) - want[0]).mean() < 0.02          # float32 rounding of a batch
    assert calls == [2, 2]
    first.drawing.batcher.close()
