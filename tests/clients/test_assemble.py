"""Options become a seated face, its stages and a session that is ready to run."""

import numpy as np
import pytest
from limner.clients import assemble
from limner.clients.options import Options
from limner.engine.clock import ManualClock
from limner.engine.errors import InputError, UsageError
from limner.engine.testing import CollectSink
from limner.engine.types import AudioChunk, FeatureWindow

STILL = {"liveliness": 0.0, "size": 256}


def window(extractor):
    """What the face hears after 200 ms of silence."""
    rows = extractor.push(AudioChunk(np.zeros(3200, np.float32), 16_000, 0, 0, 0))
    return FeatureWindow(rows.rows[:1], rows.pts, extractor.step, rows.voiced[:1], 0)


def test_the_default_face_draws_a_picture_of_the_size_asked_for():
    face = assemble.face(Options(**STILL))
    assert face.avatar.name == "astronaut" and face.stages == []
    frame = face.animator.draw(window(face.extractor))
    assert frame.pixels.shape == (256, 256, 3) and frame.pixels.std() > 20


@pytest.mark.parametrize("name", ["iris", "otto"])
def test_a_bundled_avatar_is_found_by_name(name):
    assert assemble.choose_avatar(Options(avatar=name)).name == name


def test_an_unknown_avatar_is_one_clear_line():
    with pytest.raises((InputError, UsageError), match="nobody"):
        assemble.choose_avatar(Options(avatar="nobody"))


@pytest.mark.parametrize(("text", "value"), [("", None), ("8ms", 8.0), ("8", 8.0), ("0.5ms", 0.5)])
def test_budgets(text, value):
    assert assemble.budget_ms(text) == value


@pytest.mark.parametrize("text", ["ms", "fast", "0", "-3ms", "2000"])
def test_budgets_out_of_range_are_refused(text):
    with pytest.raises(UsageError, match="--restore budget"):
        assemble.budget_ms(text)


def test_the_weightless_stages_come_in_order_restorer_first():
    chain = assemble.stages(Options(restore="sharpen:4ms", interpolate="blend", fps=50))
    assert [getattr(stage, "restores", False) for stage in chain] == [True, False]
    assert [getattr(stage, "factor", 1) for stage in chain] == [1, 2]


@pytest.mark.parametrize("wrong", [{"restore": "polish"}, {"interpolate": "guess"}])
def test_unknown_stages_are_refused_with_what_there_is(wrong):
    with pytest.raises(UsageError, match="there are"):
        assemble.stages(Options(**wrong))


def test_an_unknown_animator_is_refused_with_what_there_is():
    with pytest.raises(UsageError, match="no animator is called 'puppet'"):
        assemble.face(Options(animator="puppet"))


@pytest.mark.parametrize("animator", ["dinet", "wav2lip", "pirender"])
def test_a_published_network_without_weights_says_what_is_missing_and_offers_the_embedded_face(animator):
    pytest.importorskip("torch")
    with pytest.raises(InputError) as error:
        assemble.face(Options(animator=animator))
    said = str(error.value)
    assert ("--weights" in said or "--graph" in said) and "morphable" in said


async def test_a_session_declares_a_conversational_latency():
    session = assemble.session(Options(**STILL), sinks=[CollectSink()], clock=ManualClock())
    assert 0 < session.latency() <= 120 * 90
