"""Every session of a server gets its own face; what they can share is made once."""

import pytest
import torch

from limner.clients import assemble
from limner.clients.options import Options
from limner.clients.present import session_factory
from limner.clients.serve_sessions import SessionRequest
from limner.engine.errors import WeightsError
from limner.models.animators import morphable
from limner.models.animators.dinet import build_network
from limner.models.avatar import default_avatar

from .faces import paper_face  # noqa: F401 - a fixture


def test_the_embedded_face_is_made_anew_for_each():
    assert assemble.animators(Options()) is morphable.create


def test_sessions_of_a_network_share_it(tmp_path):
    path = tmp_path / "frame_64mouth.pth"
    torch.save(build_network().state_dict(), path)
    options = Options(animator="dinet", weights=path, size=256, device="cpu")
    make = assemble.animators(options)
    first, second = make(options.face_options()), make(options.face_options())
    assert first is not second and first._drawing is second._drawing and first._drawing.batcher
    first._drawing.batcher.close()


def test_missing_weights_are_found_before_the_first_visitor():
    with pytest.raises(WeightsError, match="dinet"):
        session_factory(Options(animator="dinet"))


async def test_one_maker_serves_all_requests(monkeypatch, paper_face):  # noqa: F811
    asked, real = [], assemble.face
    monkeypatch.setattr(assemble, "face", lambda options, avatar, *make: asked.append((options.fps, *make)) or real(options, avatar))
    make = session_factory(Options())
    sessions = [await make(SessionRequest(default_avatar(), fps, 256)) for fps in (25, 50)]
    assert [fps for fps, *_ in asked] == [25, 50] and asked[0][1] is asked[1][1] is morphable.create and asked[0][2] is asked[1][2]
    assert len(set(map(id, sessions))) == len(paper_face) == 2


@pytest.mark.parametrize(("request_", "drawn"), [
    ({}, ("serious", 0.5)), ({"mood": "warm"}, ("warm", 0.5)), ({"liveliness": 0.0}, ("serious", 0.0)),
])
async def test_a_visitors_mood_and_liveliness_go_before_the_servers(monkeypatch, request_, drawn):
    faces, real = [], assemble.face
    monkeypatch.setattr(assemble, "face", lambda *args: faces.append(real(*args)) or faces[-1])
    make = session_factory(Options(mood="serious", liveliness=0.5))
    await make(SessionRequest(default_avatar(), 25, 256, **request_))
    animator = faces[0].animator
    assert (animator.mood, animator.idle.liveliness) == drawn
