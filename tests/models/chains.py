"""DINet, a restorer and AMT at small sizes, in one step or one after another, for the tests of `models.joined`."""

from functools import cache

import numpy as np
import torch
from torch import nn

from limner.cuda.lane import Lane
from limner.engine.painter import Painter
from limner.engine.testing import FakeExtractor, speech_like
from limner.engine.types import AudioChunk
from limner.models.amt.live import LiveAMT
from limner.models.amt.network import AMT
from limner.models.animators import dinet
from limner.models.animators.dinet import DINetAnimator, build_network
from limner.models.dinet.live import LiveDINet
from limner.models.drawing import Drawing
from limner.models.face.colour import to_picture
from limner.models.idleclip import IdleClip
from limner.models.interpolators.amt import AmtStage
from limner.models.restoration.live import MOUTH, RestorationStage, Restorer
from limner.models.restoration.runner import Runner
from tests.models import faces

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


@cache
def networks():
    """DINet, AMT and a restorer."""
    torch.manual_seed(0)
    return build_network(), AMT("amt_s").eval(), Contrast().eval()


def play(monkeypatch):
    """Frames and landmarks of the clip that animators read from now on."""
    frames, marks = faces.moving(6, SIZE)
    monkeypatch.setattr(dinet, "read_clip", lambda path, size: IdleClip(frames, marks, 3600))
    return frames, marks


class Made:
    """An animator and its stages, drawn together (`joins`) or one after another."""

    def __init__(self, joins, *, restore=True, interpolate=True, budget_ms=None, shared=False, told=True):
        drawer, between, better = networks()
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


def both(**more):
    return [Made(joins, **more) for joins in (True, False)]


def compare(got, want, mean=0.08, most=4):
    """The same pictures at the same instants, and planes near each other."""
    assert [(p.pts, p.duration, p.drawn, p.generation, p.size) for p in got] == [(p.pts, p.duration, p.drawn, p.generation, p.size) for p in want]
    for one, other in zip(got, want, strict=True):
        apart = np.abs(one.planes.astype(int) - other.planes)
        assert apart.mean() < mean and apart.max() <= most, (one.pts, one.drawn, apart.mean(), apart.max())
