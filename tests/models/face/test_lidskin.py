"""Skin of shut lids, on pixels of the bundled faces."""

import cv2
import numpy as np
import pytest

from limner.models.avatar import Avatar, load_avatar
from limner.models.face.renderer import FaceRenderer

from .conftest import named

GRAIN = 20.0                             # grey levels, sd


@pytest.fixture(scope="module")
def plain() -> Avatar:
    return load_avatar("astronaut")


def _seated(avatar: Avatar, image: np.ndarray) -> FaceRenderer:
    portrait = avatar.portrait
    return FaceRenderer(image, portrait.landmarks, portrait.mask, avatar.background, 512)


def _lid(renderer: FaceRenderer, picture: np.ndarray) -> np.ndarray:
    """The middle of the right upper lid, between lashes and brow, less its own slow change: f32 [h, w]."""
    curve = renderer._posed.px[renderer.rig.mesh.template.lids[0][0]]
    rest = renderer.rig.mesh.rest[renderer.rig.mesh.template.lids[0][0]]
    n = len(curve)
    top, bottom = rest[:, 1].min() + 2, curve[n // 3:-n // 3, 1].min() - 0.3 * renderer.rig.mesh.fit.scale
    part = picture[int(top):int(bottom), int(curve[n // 3, 0]):int(curve[-n // 3, 0])].astype(np.float32).mean(2)
    assert min(part.shape) >= 4
    return part - cv2.GaussianBlur(part, (0, 0), 3)


def test_a_steady_eye_shows_the_portraits_own_skin(plain: Avatar):
    renderer = _seated(plain, plain.portrait.image)
    own = renderer._texture.copy()
    renderer.draw(named(eyeBlink=1))
    assert not np.array_equal(renderer._texture, own)
    renderer.draw(named())
    assert np.array_equal(renderer._texture, own)


def test_grain_is_not_drawn_out_over_a_shut_lid(plain: Avatar):
    noise = np.random.default_rng(0).normal(0, GRAIN, (*plain.portrait.image.shape[:2], 1))
    grainy = np.clip(plain.portrait.image + noise, 0, 255).astype(np.uint8)
    renderer = _seated(plain, grainy)
    shut, _ = renderer.draw(named(eyeBlink=1))
    painted = _lid(renderer, shut).std()
    renderer.draw(named())                                           # the texture's own again, and left so:
    renderer._lids = []                                              # what the warp alone makes of it
    streaked, _ = renderer.draw(named(eyeBlink=1))
    assert painted < 0.4 * _lid(renderer, streaked).std()


def test_a_drawn_fold_is_gone_when_the_lid_is_shut(plain: Avatar):
    """A dark line over the lid, as a crease is drawn, leaves at most a quarter of its darkness in the shut lid."""
    image = plain.portrait.image.copy()
    renderer = _seated(plain, image)
    rest = renderer.rig.mesh.rest[renderer.rig.mesh.template.lids[0][0]] - [0, 0.5 * renderer.rig.mesh.fit.scale]
    cv2.polylines(image, [np.rint(rest * 16).astype(np.int32)], False, (70, 50, 40), 2, cv2.LINE_AA, 4)
    folded = _seated(plain, image)

    def darkest(eyes: float) -> float:
        """How much darker than without it the fold makes some row of the lid."""
        with_fold, without = folded.draw(named(eyeBlink=eyes))[0], renderer.draw(named(eyeBlink=eyes))[0]
        part = np.s_[int(rest[:, 1].min()) - 8:int(rest[:, 1].max()) + 14, int(rest[3, 0]):int(rest[-4, 0])]
        return float((without[part].astype(int) - with_fold[part]).mean((1, 2)).max())

    assert darkest(0) > 30
    assert darkest(1) < 0.25 * darkest(0)


def test_an_eye_half_open_keeps_its_lower_rim(plain: Avatar):
    renderer = _seated(plain, plain.portrait.image)
    renderer.draw(named(eyeBlink=0.5))
    skin = renderer._lids[0]
    share = np.abs(skin.lid.astype(int) - skin.both).max(2) > 8      # what only the rim's paint changes
    assert share.any()
    shown = skin.view.astype(int)[share]
    assert np.abs(shown - skin.both[share]).mean() > np.abs(shown - skin.own[share]).mean()
