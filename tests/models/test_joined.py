"""The chain as one step against the stages one after another: the same animator, the same networks, the same painter.

What is compared are planes. Places are not rounded to 1/32 px in tensors as OpenCV rounds them, twice more in the restorer, and
an untrained AMT answers a level here with some there: means are compared, and how far apart pictures may be at most is stated.
"""

import numpy as np
import pytest
import torch

from limner.engine.painter import Painter
from limner.engine.testing import FakeExtractor, speech_like
from limner.engine.types import AudioChunk
from limner.models.animators import wav2lip
from limner.models.drawing import Drawing
from limner.models.face.colour import to_picture
from limner.models.idleclip import IdleClip
from limner.models.restoration.governor import Mode
from limner.models.wav2lip.live import LiveWav2Lip
from tests.models import faces
from tests.models.chains import DRAWN, SIZE, Made, both, compare, play


@pytest.fixture
def clip(monkeypatch):
    return play(monkeypatch)


@pytest.mark.parametrize(("restore", "interpolate"), [(True, True), (True, False), (False, True)])
def test_the_step_gives_what_the_stages_give(clip, restore, interpolate):
    one, other = both(restore=restore, interpolate=interpolate)
    assert one.painter._joined is not None and other.painter._joined is None
    for made in (one, other):
        made.painter.warm_up()
        made.hear(pause=0.1)
    pictures = [[p for k in range(6) for p in made.painter.paint(DRAWN * k, generation=3)] for made in (one, other)]
    compare(*pictures)
    kinds = [p.drawn for p in pictures[0]]
    assert kinds == (["key"] + ["between", "key"] * 5 if interpolate else ["key"] * 6)
    compare(one.painter.flush(), other.painter.flush())


def test_one_copy_in_and_one_out_for_each_drawn_picture(clip):
    made = Made(True)
    made.painter.warm_up()
    paint = made.hear()
    joined, kept = made.painter._joined, []
    for k in range(4):
        made.lane.copies.clear()
        paint.paint(DRAWN * k)
        assert made.lane.copies == ["up", "down"]
        kept.append([each.data_ptr() for each in (*joined._restoring.memory, *joined._following.maps)])
    assert all(each == kept[0] for each in kept)         # what is kept stays in its place


def test_another_light_is_centred_anew(clip):
    """The mean of the third frame lies 10 levels above: what is kept of the second is computed again, as the stage does."""
    clip[0][2:] = np.minimum(clip[0][2:], 230) + 10
    pictures = []
    for made in both(restore=False):
        paint = made.hear()
        pictures.append([p for k in range(4) for p in paint.paint(DRAWN * k)])
    compare(*pictures)


@pytest.mark.parametrize("cost_ms", [7, 15, 30, 60])
def test_a_budget_chooses_the_same_modes(clip, cost_ms):
    """Whole faces, mouths, mouths of every second picture, none. Then a richer mode, and none again, which fades out."""
    pictures, counts = [], []
    for made in both(interpolate=False, budget_ms=8):
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


def test_the_governor_hears_what_restoring_adds(clip, monkeypatch):
    made = Made(True, interpolate=False, budget_ms=8)
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


def test_a_clip_tells_itself_where_its_faces_are(clip):
    """Nobody has to look for them on the host, frame by frame."""
    made, plain = Made(True, interpolate=False, told=False), Made(True, interpolate=False)
    shown = [paint.paint(DRAWN * 2)[0].planes.astype(int) for paint in (made.hear(), plain.hear())]
    assert len(made.painter._joined._restoring._places) == 6 and len(plain.painter._joined._restoring._places) == 1
    assert 0 < np.abs(shown[0] - shown[1]).mean() < 1


def test_wav2lip_joins_as_well(clip, monkeypatch):
    torch.manual_seed(0)
    network, frames = wav2lip.build_network().eval(), IdleClip(*clip, 3600)
    monkeypatch.setattr(wav2lip, "read_clip", lambda path, size: frames)
    pictures = []
    for joins in (True, False):
        made = Made(joins, interpolate=False)
        drawing = Drawing(lambda: LiveWav2Lip(network), made.lane, finishes=joins)
        animator = wav2lip.Wav2LipAnimator(drawing, size=SIZE, clip="idle.mp4")
        animator.sit(faces.portrait())
        paint = Painter(FakeExtractor(80), animator, made.stages, duration=3600, colour=to_picture)
        assert (paint._joined is not None) is joins
        paint.hear(AudioChunk(speech_like(1.0), 16_000, 0, 0, 0))
        pictures.append([p for k in range(3) for p in paint.paint(DRAWN * k)])
    compare(*pictures)
