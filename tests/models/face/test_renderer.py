"""What a viewer sees, on pixels: identity, closure, stillness, symmetry, smoothness, landmarks that follow."""

import cv2
import numpy as np
import pytest

from limner.engine.types import ARKIT
from limner.models.avatar import Avatar, load_avatar
from limner.models.face.renderer import FaceRenderer, fit_layer

from .conftest import Weights, named


def _psnr(a: np.ndarray, b: np.ndarray) -> float:
    return 10 * np.log10(255**2 / max(float(((a.astype(float) - b) ** 2).mean()), 1e-9))


def test_no_expression_shows_the_portrait(pack: Avatar, renderer: FaceRenderer, weights: Weights):
    picture, alpha = renderer.draw(weights())
    own = fit_layer(pack.portrait.image, renderer.size[0])
    # At a matte's soft rim the two layers meet the portrait only nearly, and a finer one is read, not averaged.
    assert _psnr(picture, own) > 33
    assert np.abs(alpha / 255.0 - fit_layer(pack.portrait.mask, renderer.size[0])).mean() < 0.01


def test_no_expression_leaves_the_face_exactly_as_it_is(pack: Avatar, weights: Weights):
    portrait, side = pack.portrait, pack.portrait.image.shape[0]
    renderer = FaceRenderer(portrait.image, portrait.landmarks, portrait.mask, pack.background)
    picture, _ = renderer.draw(weights())
    low, high = portrait.landmarks[:468, :2].min(0).astype(int), portrait.landmarks[:468, :2].max(0).astype(int)
    face = np.s_[low[1]:high[1], low[0]:high[0]]
    sure = portrait.mask[face] > 0.999
    assert side >= 512
    assert _psnr(picture[face][sure], portrait.image[face][sure]) > 42       # the rims of eyes and matte are re-drawn


def test_same_expression_same_pixels(renderer: FaceRenderer, weights: Weights):
    values = weights(jawOpen=0.4, eyeBlink=0.3)
    turn = np.float32([0.05, 0.1, 0, 0.01, 0, 0])
    first, _ = renderer.draw(values, turn, 1.0)
    renderer.draw(weights(mouthPucker=1, eyeLookUp=1), -turn, 1.0)
    again, _ = renderer.draw(values, turn, 1.0)
    assert np.array_equal(first, again)


def _between_pixels(picture: np.ndarray, points: np.ndarray) -> float:
    """Mean of a picture at points [n, 2] px: the nearest pixel may lie on either side of a line as thin as it is."""
    x, y = np.ascontiguousarray(points.T[:, None])
    return float(cv2.remap(picture, x, y, cv2.INTER_LINEAR).mean())


def test_lips_that_close_leave_no_trace_of_the_mouth(renderer: FaceRenderer, weights: Weights):
    """/p b m/ on pixels: no tooth or cavity between the lips, whatever the jaw does."""
    shut, _ = renderer.draw(weights(jawOpen=0.1, mouthClose=1), relax=1.0)
    posed, template = renderer._posed, renderer.rig.mesh.template
    seam = posed.px[template.inner_upper[4:-4]]
    assert np.abs(seam - posed.px[template.inner_lower[4:-4]]).max() < 0.05      # px: one curve
    lip_above, lip_below = (posed.px[loop[4:-4]] for loop in (template.outer_upper, template.outer_lower))
    at = [_between_pixels(shut, p) for p in (seam, (seam + lip_above) / 2, (seam + lip_below) / 2)]
    opened, _ = renderer.draw(weights(jawOpen=0.6), relax=1.0)
    middle = (posed.px[template.inner_upper[4:-4]] + posed.px[template.inner_lower[4:-4]]) / 2
    hole = _between_pixels(opened, middle)
    assert at[0] > 0.4 * min(at[1:]) and at[0] < 1.15 * max(at[1:])              # a lip line, neither hole nor teeth
    assert hole < 0.6 * at[0]


def test_a_few_hundred_random_faces_are_drawn_whole(renderer: FaceRenderer):
    rng = np.random.default_rng(7)
    for _ in range(100):
        values = (rng.random(len(ARKIT)) * (rng.random(len(ARKIT)) < 0.4)).astype(np.float32)
        turn = (rng.standard_normal(6) * [0.06, 0.06, 0.06, 0.02, 0.02, 0.02]).astype(np.float32)
        picture, alpha = renderer.draw(values, turn, float(rng.random()), float(rng.uniform(-1, 1)))
        assert picture.shape == (*renderer.size, 3) and picture.dtype == np.uint8 == alpha.dtype
        assert picture.std() > 15                # a picture, not a flat field


def test_small_changes_of_expression_are_small_changes_of_the_picture(renderer: FaceRenderer):
    """Over a slow sweep of everything no frame jumps: at most 2.5 grey levels mean change per step of 1/50."""
    target = named(jawOpen=0.6, mouthPucker=0.4, mouthUpperUp=0.3, eyeBlink=1, eyeLookUp=0.5, browInnerUp=1)
    before = None
    for step in np.linspace(0, 1, 51):
        picture, _ = renderer.draw(target * np.float32(step), np.float32([0, 0.1 * step, 0, 0, 0, 0]), 1.0)
        if before is not None:
            assert np.abs(picture.astype(int) - before).mean() < 2.5
        before = picture


def test_mirrored_expressions_move_both_sides_alike(renderer: FaceRenderer, weights: Weights):
    template = renderer.rig.mesh.template
    right, left = template.outer_upper[0], template.outer_upper[-1]
    renderer.draw(weights())
    rest = renderer._posed.cm.copy()
    moves = []
    for side, corner in (("Left", left), ("Right", right)):
        renderer.draw(weights(**{f"mouthSmile{side}": 0.8, f"mouthStretch{side}": 0.3}))
        moves.append((renderer._posed.cm - rest)[corner] * [1 if side == "Left" else -1, 1, 1])
    assert np.allclose(moves[0], moves[1], atol=0.02)            # cm; lips of a crooked mouth meet unevenly


def _areas(px: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    a, b, c = (px[triangles[:, k]] for k in range(3))
    return (b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0]


def test_a_turned_head_tears_nothing(pack: Avatar, renderer: FaceRenderer, weights: Weights):
    """At 8 degrees either way the map from picture to portrait stays one to one over the face and around it."""
    for yaw in (-0.14, 0.14):
        renderer.draw(weights(), np.float32([0, yaw, 0, 0, 0, 0]))
        triangles = renderer.rig.mesh.triangles
        area, before = (_areas(px, triangles) for px in (renderer._posed.px, renderer.rig.mesh.rest))
        folded = (area * before < 0) & (np.abs(area) > 0.5)      # slivers under half a px are not seen
        assert folded.mean() < 0.01


@pytest.mark.slow
def test_landmarks_found_again_follow_the_commanded_lips(networks: None, pack: Avatar):
    """The mesh network, shown our pictures, sees the opening and width that were asked for: r >= 0.95 each."""
    from limner.models.blazeface import detect
    from limner.models.landmarks import eye_distance, measure

    portrait = pack.portrait
    renderer = FaceRenderer(portrait.image, portrait.landmarks, portrait.mask, pack.background, 512)
    asked, seen = [], []
    for opening in np.linspace(0, 0.6, 7):
        picture, _ = renderer.draw(named(jawOpen=float(opening)), relax=1.0)
        points, _ = measure(picture, max(detect(picture), key=lambda box: box.area))
        asked.append(opening)
        seen.append(np.linalg.norm(points[13] - points[14]) / eye_distance(points))
    assert np.corrcoef(asked, seen)[0, 1] >= 0.95
    asked, seen = [], []
    for width in np.linspace(-1, 1, 9):
        values = named(mouthStretch=max(width, 0.0), mouthPucker=max(-width, 0.0), jawOpen=0.1)
        picture, _ = renderer.draw(values, relax=1.0)
        points, _ = measure(picture, max(detect(picture), key=lambda box: box.area))
        asked.append(width)
        seen.append(np.linalg.norm(points[61] - points[291]) / eye_distance(points))
    assert np.corrcoef(asked, seen)[0, 1] >= 0.95


def test_rest_comes_back_exactly_after_speaking(renderer: FaceRenderer, weights: Weights):
    """An open portrait's teeth leave the texture while it speaks, and return."""
    rest = renderer.draw(weights())[0].copy()
    renderer.draw(weights(mouthClose=1.0, jawOpen=0.1), relax=1.0)
    assert np.array_equal(renderer.draw(weights())[0], rest)


def test_shut_lips_of_an_open_portrait_show_no_dark_corner():
    avatar = load_avatar("astronaut")
    portrait = avatar.portrait
    face = FaceRenderer(portrait.image, portrait.landmarks, portrait.mask, avatar.background, 512)
    shut = named(mouthClose=1.0, jawOpen=0.06, mouthPress=0.4)
    picture = cv2.cvtColor(face.draw(shut, relax=1.0)[0], cv2.COLOR_RGB2GRAY)
    template, px = face.rig.mesh.template, face._posed.px
    for end in (template.inner_upper[0], template.inner_upper[-1]):
        x, y = (round(float(v)) for v in px[end])
        skin = np.median(picture[y - 12:y + 13, x - 12:x + 13])
        assert picture[y - 4:y + 5, x - 4:x + 5].min() > 0.6 * skin
