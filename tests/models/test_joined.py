"""The chain as one step against the stages one after another: the same animator, the same networks, the same painter.

What is compared are planes. Places are not rounded to 1/32 px in tensors as OpenCV rounds them, twice more in the restorer, and
an untrained AMT answers a level here with some there: means are compared, and how far apart pictures may be at most is stated.
"""

import copy
import logging

import numpy as np
import pytest
import torch
from torch import nn

from limner.cuda.graph import eager
from limner.cuda.lane import Lane, open_lane
from limner.engine.painter import Painter
from limner.engine.testing import FakeAnimator, FakeExtractor, speech_like
from limner.engine.types import AudioChunk, FeatureWindow
from limner.models.amt.live import LiveAMT
from limner.models.amt.network import AMT
from limner.models.animators import dinet, wav2lip
from limner.models.animators.dinet import DINetAnimator, build_network
from limner.models.dinet.live import LiveDINet
from limner.models.drawing import Drawing
from limner.models.face.colour import to_picture
from limner.models.idleclip import IdleClip
from limner.models.interpolators.amt import AmtStage
from limner.models.restoration.governor import Mode
from limner.models.restoration.live import MOUTH, RestorationStage, Restorer
from limner.models.restoration.runner import Runner
from limner.models.restorers.sharpen import SharpenStage
from limner.models.wav2lip.live import LiveWav2Lip
from tests.models import faces

gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device is usable here")
DRAWN = 3600                                     # ticks between drawn pictures
SIZE = 128


class Counting(Lane):
    """Counts copies to the device and back."""

    def __init__(self):
        super().__init__()
        self.copies = []

    def upload(self, array):
        self.copies.append("up")
        return super().upload(array)

    def download(self, tensor):
        self.copies.append("down")
        return super().download(tensor)


class Contrast(nn.Module):
    """A restorer that costs next to nothing: more contrast, and a little detail."""

    def __init__(self):
        super().__init__()
        self.gain = nn.Parameter(torch.tensor(1.15))

    def forward(self, x):
        soft = nn.functional.avg_pool2d(nn.functional.pad(x, (2, 2, 2, 2), mode="reflect"), 5, 1)
        return x * self.gain + 0.3 * (x - soft)


def mouth(network, x):
    top, left, bottom, right = MOUTH
    return network(x)[..., top:bottom, left:right]


@pytest.fixture(scope="module")
def networks():
    torch.manual_seed(0)
    return build_network(), AMT("amt_s").eval(), Contrast().eval()


@pytest.fixture
def clip(monkeypatch):
    frames, marks = faces.moving(6, SIZE)
    monkeypatch.setattr(dinet, "read_clip", lambda path, size: IdleClip(frames, marks, 3600))
    return frames, marks


class Made:
    """An animator and its stages, drawn together (`joins`) or one after another."""

    def __init__(self, networks, joins, *, restore=True, interpolate=True, budget_ms=None, shared=False, told=True):
        drawer, between, better = networks
        self.lane, self.now = Counting(), 0
        self.drawing = Drawing(lambda: LiveDINet(drawer), self.lane, finishes=joins, shared=shared)
        self.animator = DINetAnimator(self.drawing, size=SIZE, mouth=64, clip="idle.mp4")
        self.animator.sit(faces.portrait())
        self.stages = []
        if restore:
            run, part = (Runner(better, call, Lane()) for call in (Contrast.forward, mouth))
            self.stages.append(RestorationStage(Restorer(run, mouth=part, mouth_cost=0.4), budget_ms=budget_ms, now_ns=lambda: self.now))
            if told:
                self.stages[0].seat(faces.moving(1, SIZE)[1][0], (SIZE, SIZE))
        if interpolate:
            self.stages.append(AmtStage(50, LiveAMT(between, region=False)))
        self.painter = Painter(FakeExtractor(29), self.animator, self.stages, duration=1800 if interpolate else 3600, colour=to_picture)

    def hear(self, seconds=2.0, **more):
        self.painter.hear(AudioChunk(speech_like(seconds, **more), 16_000, 0, 0, 0))
        return self.painter


def both(networks, **more):
    return [Made(networks, joins, **more) for joins in (True, False)]


def compare(got, want, mean=0.08, most=4):
    """The same pictures at the same instants, and planes near each other."""
    assert [(p.pts, p.duration, p.drawn, p.generation, p.size) for p in got] == [(p.pts, p.duration, p.drawn, p.generation, p.size) for p in want]
    for one, other in zip(got, want, strict=True):
        apart = np.abs(one.planes.astype(int) - other.planes)
        assert apart.mean() < mean and apart.max() <= most, (one.pts, one.drawn, apart.mean(), apart.max())


@pytest.mark.parametrize(("restore", "interpolate"), [(True, True), (True, False), (False, True)])
def test_the_step_gives_what_the_stages_give(networks, clip, restore, interpolate):
    one, other = both(networks, restore=restore, interpolate=interpolate)
    assert one.painter._joined is not None and other.painter._joined is None
    for made in (one, other):
        made.painter.warm_up()
        made.hear(pause=0.1)
    pictures = [[p for k in range(6) for p in made.painter.paint(DRAWN * k, generation=3)] for made in (one, other)]
    compare(*pictures)
    kinds = [p.drawn for p in pictures[0]]
    assert kinds == (["key"] + ["between", "key"] * 5 if interpolate else ["key"] * 6)
    compare(one.painter.flush(), other.painter.flush())


def test_one_copy_in_and_one_out_for_each_drawn_picture(networks, clip):
    made = Made(networks, True)
    made.painter.warm_up()
    paint = made.hear()
    joined, kept = made.painter._joined, []
    for k in range(4):
        made.lane.copies.clear()
        paint.paint(DRAWN * k)
        assert made.lane.copies == ["up", "down"]
        kept.append([each.data_ptr() for each in (*joined._restoring.memory, *joined._following.maps)])
    assert all(each == kept[0] for each in kept)         # what is kept stays in its place


def test_a_thrifty_picture_is_not_restored_and_leaves_the_memory_alone(networks, clip):
    one, other = both(networks)
    order = [False, False, True, True, False]
    pictures = []
    for made in (one, other):
        paint = made.hear()
        pictures.append([p for k, thrifty in enumerate(order) for p in paint.paint(DRAWN * k, thrifty=thrifty)])
    compare(*pictures)
    assert one.stages[0].counts == other.stages[0].counts and one.stages[0].restored == 3
    plain = Made(networks, True, restore=False)
    paint = plain.hear()
    bare = [p for k in range(5) for p in paint.paint(DRAWN * k)]
    assert np.array_equal(bare[6].planes, pictures[0][6].planes)         # the fourth drawn picture: nothing restored
    assert np.abs(bare[8].planes.astype(int) - pictures[0][8].planes).mean() > 1


@pytest.mark.parametrize(("told", "more"), [("restart", {}), ("generation", {"generation": 1}), ("wake", {})])
def test_nothing_is_drawn_across_an_interrupt(networks, clip, told, more):
    """The speech is replaced, what was shown became stale, or nobody watched for a while."""
    pictures = []
    for made in both(networks):
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


def test_a_cut_in_the_clip_is_not_bridged(networks, clip):
    clip[0][3:] = 255 - clip[0][3:, :, ::-1]
    pictures = []
    for made in both(networks, restore=False):
        paint = made.hear()
        pictures.append([p for k in range(5) for p in paint.paint(DRAWN * k)])
    assert [p.drawn for p in pictures[0]] == ["key"] + ["between", "key"] * 2 + ["repeat", "key"] + ["between", "key"]
    compare(*pictures)


def test_another_light_is_centred_anew(networks, clip):
    """The mean of the third frame lies 10 levels above: what is kept of the second is computed again, as the stage does."""
    clip[0][2:] = np.minimum(clip[0][2:], 230) + 10
    pictures = []
    for made in both(networks, restore=False):
        paint = made.hear()
        pictures.append([p for k in range(4) for p in paint.paint(DRAWN * k)])
    compare(*pictures)


def test_pictures_left_out_fade_between_what_is_drawn(networks, clip):
    """Every second draw left out: the picture half way is the network's, those at the quarters are means of two."""
    made = Made(networks, True)
    paint = made.hear()
    first, *rest = [p for k in (0, 2) for p in paint.paint(DRAWN * k)]
    assert [(p.pts, p.drawn) for p in rest] == [(1800, "between"), (3600, "between"), (5400, "between"), (7200, "key")]
    quarter, half, last, end = (p.planes.astype(int) for p in rest)
    assert np.abs(quarter - (first.planes + half) / 2).max() <= 0.5 and np.abs(last - (half + end) / 2).max() <= 0.5
    want = [p for k in (0, 2) for p in Made(networks, False).hear().paint(DRAWN * k)][-2:]
    assert want[-1].pts == 7200


@pytest.mark.parametrize("cost_ms", [7, 15, 30, 60])
def test_a_budget_chooses_the_same_modes(networks, clip, cost_ms):
    """Whole faces, mouths, mouths of every second picture, none. Then a richer mode, and none again, which fades out."""
    pictures, counts = [], []
    for made in both(networks, interpolate=False, budget_ms=8):
        stage, shown = made.stages[0], []
        made.painter.warm_up()
        steps = set(made.drawing._recorded)
        stage.governor.settle(cost_ms * 1e6)
        paint = made.hear()
        for k in range(9):
            if k in (4, 6):
                stage.governor._switch(Mode.MOUTH if k == 4 else Mode.OFF)
            shown += paint.paint(DRAWN * k)
        pictures.append(shown)
        counts.append((stage.counts, stage.restored))
        assert set(made.drawing._recorded) == steps          # whatever is decided, it is recorded already
    compare(*pictures)
    assert counts[0] == counts[1]


def test_the_governor_hears_what_restoring_adds(networks, clip, monkeypatch):
    made = Made(networks, True, interpolate=False, budget_ms=8)
    after, costs = made.drawing.after, {True: 30e6, False: 5e6}

    def slow(session, source, heard, what):
        made.now += costs[bool(what.recipe.way)]
        return after(session, source, heard, what)

    monkeypatch.setattr(made.drawing, "after", slow)
    paint = made.hear()
    paint.paint(0)
    assert made.stages[0].governor._cost == 25e6
    for k in range(1, 4):
        paint.paint(DRAWN * k)
    assert made.stages[0].governor.mode < Mode.FULL


def test_a_clip_tells_itself_where_its_faces_are(networks, clip):
    """Nobody has to look for them on the host, frame by frame."""
    made, plain = Made(networks, True, interpolate=False, told=False), Made(networks, True, interpolate=False)
    shown = [paint.paint(DRAWN * 2)[0].planes.astype(int) for paint in (made.hear(), plain.hear())]
    assert len(made.painter._joined._restoring._places) == 6 and len(plain.painter._joined._restoring._places) == 1
    assert 0 < np.abs(shown[0] - shown[1]).mean() < 1


def test_sessions_of_one_network_are_drawn_together(networks, clip):
    """Equal recipes; each with its own memory."""
    between = networks[1]
    first = Made(networks, True, shared=True)
    second = DINetAnimator(first.drawing, size=SIZE, mouth=64, clip="idle.mp4")
    second.sit(faces.portrait())
    restorer = first.stages[0].restorer
    stages = [RestorationStage(restorer), AmtStage(50, LiveAMT(between, region=False))]
    stages[0].seat(faces.moving(1, SIZE)[1][0], (SIZE, SIZE))
    joined = [first.painter._joined, second.join(stages)]
    alone = Made(networks, True)

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


def test_wav2lip_joins_as_well(networks, clip, monkeypatch):
    torch.manual_seed(0)
    network, frames = wav2lip.build_network().eval(), IdleClip(*clip, 3600)
    monkeypatch.setattr(wav2lip, "read_clip", lambda path, size: frames)
    pictures = []
    for joins in (True, False):
        made = Made(networks, joins, interpolate=False)
        drawing = Drawing(lambda: LiveWav2Lip(network), made.lane, finishes=joins)
        animator = wav2lip.Wav2LipAnimator(drawing, size=SIZE, clip="idle.mp4")
        animator.sit(faces.portrait())
        paint = Painter(FakeExtractor(80), animator, made.stages, duration=3600, colour=to_picture)
        assert (paint._joined is not None) is joins
        paint.hear(AudioChunk(speech_like(1.0), 16_000, 0, 0, 0))
        pictures.append([p for k in range(3) for p in paint.paint(DRAWN * k)])
    compare(*pictures)


def test_who_takes_over_passes_the_stages(networks, clip):
    made = Made(networks, True)
    made.hear().paint(0)
    made.painter.fall_back(FakeExtractor(), FakeAnimator(size=SIZE))
    pictures = [p for k in range(3) for p in made.hear().paint(DRAWN * k)]
    assert made.painter._joined is None and [p.drawn for p in pictures] == ["key", "between", "key", "between", "key"]


def test_what_cannot_join_is_said_once(networks, clip, caplog):
    caplog.set_level(logging.INFO, "limner")
    made, own = Made(networks, True), Made(networks, False)
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


def on_gpu(networks, lane, restore=Contrast.forward):
    """A painter on a GPU with everything joined; unlike the plain one, its networks lie there."""
    drawer, between, better = (copy.deepcopy(each).to("cuda:0") for each in networks)
    animator = DINetAnimator(Drawing(lambda: LiveDINet(drawer), lane), size=SIZE, mouth=64, clip="idle.mp4")
    animator.sit(faces.portrait())
    stage = RestorationStage(Restorer(Runner(better, restore, open_lane("cuda:0")), mouth=None))
    stage.seat(faces.moving(1, SIZE)[1][0], (SIZE, SIZE))
    stages = [stage, AmtStage(50, LiveAMT(between, "cuda:0"))]
    return Painter(FakeExtractor(29), animator, stages, duration=1800, colour=to_picture), animator


def shown(paint, count=6):
    paint.hear(AudioChunk(speech_like(2.0), 16_000, 0, 0, 0))
    return [p for k in range(count) for p in paint.paint(DRAWN * k)]


@pytest.mark.gpu
@gpu
def test_replayed_equals_called(networks, clip):
    with open_lane("cuda:0") as lane:
        paint, animator = on_gpu(networks, lane)
        paint.warm_up()
        got = shown(paint)
        assert all(1 in each.recorded for each in animator._drawing._recorded.values())
        with eager():
            other, _ = on_gpu(networks, lane)
            want = shown(other)
    for one, two in zip(got, want, strict=True):
        # cuDNN may choose another algorithm; TF32 in an untrained AMT moves flows, the rest is a level here and there
        assert (one.pts, one.drawn) == (two.pts, two.drawn) and np.abs(one.planes.astype(int) - two.planes).mean() < 1


@pytest.mark.gpu
@gpu
def test_nothing_is_allocated_after_the_warm_up(networks, clip):
    with open_lane("cuda:0") as lane:
        paint, _ = on_gpu(networks, lane)
        paint.warm_up()
        shown(paint)
        torch.cuda.synchronize()
        before = torch.cuda.memory_allocated(), torch.cuda.memory_reserved()
        paint.reset()
        shown(paint, 30)
        torch.cuda.synchronize()
        assert (torch.cuda.memory_allocated(), torch.cuda.memory_reserved()) == before


@pytest.mark.gpu
@gpu
def test_a_gpu_gives_the_stages_pictures(networks, clip):
    with open_lane("cuda:0") as lane:
        got = shown(on_gpu(networks, lane)[0])
    want = shown(Made(networks, False).painter)
    for one, two in zip(got, want, strict=True):
        assert (one.pts, one.drawn) == (two.pts, two.drawn) and np.abs(one.planes.astype(int) - two.planes).mean() < 1
