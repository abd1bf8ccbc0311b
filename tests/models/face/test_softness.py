"""How sharp a face is measured to be, and what is drawn into a blurred one."""

import cv2
import numpy as np
import pytest

from limner.models.avatar import Avatar, bundled_avatars, load_avatar
from limner.models.face.renderer import FaceRenderer
from limner.models.face.softness import soften, softness

from .conftest import named


@pytest.mark.parametrize("name", bundled_avatars())
@pytest.mark.parametrize("side", [256, 512])
def test_a_face_in_focus_asks_for_no_blur(name: str, side: int):
    portrait = load_avatar(name).portrait
    image = cv2.resize(portrait.image, (side, side), interpolation=cv2.INTER_AREA)
    assert softness(image, portrait.landmarks * side / portrait.image.shape[0]) == 0


def test_the_blur_of_a_picture_is_found():
    """In part, as a wide step runs past the window: more for more, and never more than there is."""
    portrait = load_avatar("otto").portrait
    sigmas = np.array([3.0, 4.0, 6.0])
    found = [softness(cv2.GaussianBlur(portrait.image, (0, 0), sigma), portrait.landmarks) for sigma in sigmas]
    assert (np.diff(found) > 0.3).all()
    assert (found > 0.4 * sigmas).all() and (found < 1.1 * sigmas).all()


def test_nothing_to_measure_asks_for_no_blur():
    grey = np.full((64, 64, 3), 120, np.uint8)
    assert softness(grey, np.float32([[8, 8], [56, 8], [56, 56], [8, 56]])) == 0
    assert softness(grey, np.float32([[8, 8], [9, 8], [9, 9]])) == 0


def test_softening_stays_near_the_opening_and_inside_the_picture():
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 256, (60, 80, 3), dtype=np.uint8)
    x = np.linspace(60, 95, 9, dtype=np.float32)                     # half of it outside
    curves = np.stack([x, np.full(9, 20, np.float32)], 1), np.stack([x, np.full(9, 28, np.float32)], 1)
    out = picture.copy()
    soften(out, curves, 2.0, 1.0)
    changed = np.abs(out.astype(int) - picture).max(2) > 0
    assert changed[22:26, 64:78].mean() > 0.9
    assert not changed[:, :50].any() and not changed[40:].any()
    soften(gone := picture.copy(), (curves[0] + 500, curves[1] + 500), 2.0, 1.0)
    assert np.array_equal(gone, picture)


def _seated(avatar: Avatar, blur: float) -> FaceRenderer:
    portrait = avatar.portrait
    image = cv2.GaussianBlur(portrait.image, (0, 0), blur)
    return FaceRenderer(image, portrait.landmarks, portrait.mask, avatar.background)


def test_a_blurred_face_gets_a_mouth_as_blurred():
    """The steepest edge of an open mouth is not much steeper than the steepest of the face itself."""
    renderer = _seated(load_avatar("otto"), 4.0)
    rest, opened = (renderer.draw(named(jawOpen=value), relax=1.0)[0] for value in (0.0, 0.5))
    mouth, face = renderer._posed.px[renderer.rig.mesh.template.inner_lower], renderer._posed.px[:468]
    low, high = mouth.min(0).astype(int) - 30, mouth.max(0).astype(int) + 20
    first, last = face.min(0).astype(int), face.max(0).astype(int)

    def steepest(picture: np.ndarray) -> float:
        grey = picture.astype(np.float32).mean(2)
        return float(np.hypot(np.diff(grey, axis=0)[:, :-1], np.diff(grey, axis=1)[:-1]).max())

    assert steepest(opened[low[1]:high[1], low[0]:high[0]]) < 1.5 * steepest(rest[first[1]:last[1], first[0]:last[0]])


def test_a_blurred_face_at_rest_is_the_portraits_own():
    avatar = load_avatar("otto")
    renderer = _seated(avatar, 4.0)
    picture, _ = renderer.draw(named())
    portrait = cv2.GaussianBlur(avatar.portrait.image, (0, 0), 4.0)
    low, high = avatar.portrait.landmarks[:, :2].min(0).astype(int), avatar.portrait.landmarks[:, :2].max(0).astype(int)
    face = np.s_[low[1]:high[1], low[0]:high[0]]
    assert np.abs(picture[face].astype(int) - portrait[face]).max() <= 12
