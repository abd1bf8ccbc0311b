"""Options become a seated face, its stages and a session that is ready to run."""

from pathlib import Path

import numpy as np
import pytest

from limner.clients import assemble
from limner.clients.options import Options
from limner.engine.clock import ManualClock
from limner.engine.errors import InputError, UsageError
from limner.engine.testing import CollectSink
from limner.engine.types import AudioChunk, FeatureWindow
from limner.models.avatar import load_avatar
from limner.models.backdrop import parse

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


def test_the_background_asked_for_is_behind_the_face():
    plain, green, clear = (assemble.face(Options(background=text, **STILL)) for text in ("keep", "#00b140", "transparent"))
    own, keyed, cut = (face.animator.draw(window(face.extractor)) for face in (plain, green, clear))
    behind = cut.alpha == 0
    assert own.alpha is None and keyed.alpha is None and behind.mean() > 0.1
    assert (keyed.pixels[behind] == (0, 177, 64)).all()
    assert np.abs(own.pixels[behind].astype(int) - (0, 177, 64)).max(1).min() > 40


class WholePicture:
    """An animator that redraws the portrait it was given, background and all."""

    avatar = None

    def sit_avatar(self, avatar):
        self.avatar = avatar


def test_an_animator_without_layers_gets_a_portrait_taken_before_the_backdrop():
    animator, options = WholePicture(), Options(background="#00b140")
    assemble.seat(animator, load_avatar("otto"), parse(options.background), options)
    seen, own = animator.avatar.portrait, load_avatar("otto").portrait
    assert (seen.image[own.mask == 0] == (0, 177, 64)).all() and (animator.avatar.background == (0, 177, 64)).all()
    kept = own.mask == 1
    assert (seen.image[kept] == own.image[kept]).all(1).mean() > 0.95     # but for the tightened edge
    with pytest.raises(UsageError, match="only the morphable"):
        assemble.seat(animator, load_avatar("otto"), parse("transparent"), Options(background="transparent"))


def test_a_clip_keeps_its_own_background():
    options = Options(portrait=Path("idle.mp4"), background="green")
    with pytest.raises(UsageError, match="keeps its own background"):
        assemble.seat(WholePicture(), load_avatar("otto"), parse("green"), options)


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


def test_many_sessions_share_the_networks_of_their_stages(monkeypatch):
    """Loaded once, each session's stage its own; a rate of their own; those without a network are made as ever."""
    pytest.importorskip("torch")
    from limner.models.amt.network import AMT
    from limner.models.interpolators import amt
    loaded = []
    monkeypatch.setattr(amt, "load_network", lambda path: loaded.append(path) or AMT("amt_s"))
    make = assemble.chains(Options(restore="sharpen", interpolate="amt", interpolate_weights=Path("amt.pth"), device="cpu"))
    one, two = make(Options(fps=50)), make(Options(fps=25))
    assert loaded == [Path("amt.pth")] and one[1].live.network is two[1].live.network and one[1].live is not two[1].live
    assert (one[1].step, two[1].step) == (1800, 3600) and one[0] is not two[0]


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
