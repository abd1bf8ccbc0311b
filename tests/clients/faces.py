"""A face of paper for commands that need one: it is as bright as the sound at the drawn instant is loud."""

import pytest

from limner.clients import assemble
from limner.clients.options import Options
from limner.engine.testing import FakeAnimator, FakeExtractor

REAL_FACE = assemble.face


@pytest.fixture
def paper_face(monkeypatch):
    """Commands seat this, whatever portrait they rigged; yields the list of animators that were seated."""
    seated = []

    def face(options: Options, avatar=None, make_animator=None, make_stages=None) -> assemble.Face:
        animator = FakeAnimator(size=64, window=(0, 0))
        seated.append(animator)
        portrait = avatar or assemble.choose_avatar(options)
        return assemble.Face(portrait, FakeExtractor(lookahead=900), animator)

    monkeypatch.setattr(assemble, "face", face)
    return seated
