"""The chain as one step on a GPU: recorded equals called, nothing grows, and it gives the pictures of the stages."""

import copy

import numpy as np
import pytest
import torch

from limner.cuda.graph import eager
from limner.cuda.lane import open_lane
from limner.engine.painter import Painter
from limner.engine.testing import FakeExtractor, speech_like
from limner.engine.types import AudioChunk
from limner.models.amt.live import LiveAMT
from limner.models.animators.dinet import DINetAnimator
from limner.models.dinet.live import LiveDINet
from limner.models.drawing import Drawing
from limner.models.face.colour import to_picture
from limner.models.interpolators.amt import AmtStage
from limner.models.restoration.live import RestorationStage, Restorer
from limner.models.restoration.runner import Runner
from tests.models import faces
from tests.models.chains import DRAWN, SIZE, Contrast, Made, networks, play

gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device is usable here")


@pytest.fixture
def clip(monkeypatch):
    return play(monkeypatch)


def on_gpu(lane, restore=Contrast.forward):
    """A painter on a GPU with everything joined; unlike the plain one, its networks lie there."""
    drawer, between, better = (copy.deepcopy(each).to("cuda:0") for each in networks())
    animator = DINetAnimator(Drawing(lambda: LiveDINet(drawer), lane), size=SIZE, mouth=64, clip="idle.mp4")
    animator.sit(faces.portrait())
    stage = RestorationStage(Restorer(Runner(better, restore, open_lane("cuda:0")), mouth=None))
    stage.seat(faces.moving(1, SIZE)[1][0], (SIZE, SIZE))
    stages = [stage, AmtStage(50, LiveAMT(between, "cuda:0"))]
    return Painter(FakeExtractor(29), animator, stages, duration=1800, colour=to_picture), animator


def shown(paint, count=6):
    paint.hear(AudioChunk(speech_like(2.0), 16_000, 0, 0, 0))
    return [p for k in range(count) for p in paint.paint(DRAWN * k)]


def check_alike(got, want):
    for one, two in zip(got, want, strict=True):
        # cuDNN may choose another algorithm; TF32 in an untrained AMT moves flows, the rest is a level here and there
        assert (one.pts, one.drawn) == (two.pts, two.drawn) and np.abs(one.planes.astype(int) - two.planes).mean() < 1


@pytest.mark.gpu
@gpu
def test_replayed_equals_called(clip):
    with open_lane("cuda:0") as lane:
        paint, animator = on_gpu(lane)
        paint.warm_up()
        got = shown(paint)
        assert all(1 in each.recorded for each in animator._drawing._recorded.values())
        with eager():
            other, _ = on_gpu(lane)
            want = shown(other)
    check_alike(got, want)


@pytest.mark.gpu
@gpu
def test_nothing_is_allocated_after_the_warm_up(clip):
    with open_lane("cuda:0") as lane:
        paint, _ = on_gpu(lane)
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
def test_a_gpu_gives_the_stages_pictures(clip):
    with open_lane("cuda:0") as lane:
        got = shown(on_gpu(lane)[0])
    want = shown(Made(False).painter)
    check_alike(got, want)
