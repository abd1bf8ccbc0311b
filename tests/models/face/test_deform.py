import numpy as np
import pytest

from limner.engine.types import ARKIT
from limner.models.face.deform import FULL_GAP, head_matrix, new_posed, pose
from limner.models.face.renderer import FaceRenderer

from .conftest import Weights

STILL = np.zeros(6, np.float32)


def test_no_expression_is_the_portrait(renderer: FaceRenderer, weights: Weights):
    out = new_posed(renderer.rig)
    pose(renderer.rig, weights(), STILL, 0.0, 0.0, out)
    assert np.abs(out.px - renderer.rig.mesh.rest).max() < 1e-3


def test_ten_thousand_random_expressions_stay_finite_and_near_and_never_cross_the_lips(renderer: FaceRenderer):
    rng = np.random.default_rng(0)
    rig = renderer.rig
    out, side = new_posed(rig), renderer.size[0]
    for k in range(10_000 // 3 + 1):                             # three avatars ship, so ten thousand in all
        weights = (rng.random(len(ARKIT)) * (rng.random(len(ARKIT)) < 0.5)).astype(np.float32)
        turn = (rng.standard_normal(6) * [0.1, 0.1, 0.1, 0.03, 0.03, 0.03]).astype(np.float32)
        pose(rig, weights, turn, float(k % 2), float(rng.uniform(-1, 1)), out)
        assert np.isfinite(out.px).all() and np.isfinite(out.cm).all()
        assert np.abs(out.px - rig.mesh.rest).max() < 0.5 * side
        if k % 2:                                                # a relaxed mouth: gaps are never negative
            assert rig.lips.gaps(out.cm).min() > -1e-4


def test_full_jaw_parts_relaxed_lips_by_the_stated_gap(renderer: FaceRenderer, weights: Weights):
    out, rig = new_posed(renderer.rig), renderer.rig
    gaps = []
    for opening in np.linspace(0, 1, 11):
        pose(rig, weights(jawOpen=float(opening)), STILL, 1.0, 0.0, out)
        gaps.append(rig.lips.gap(out.cm) / rig.mesh.eye_distance)
    assert abs(gaps[0]) < 1e-4
    assert gaps[-1] == pytest.approx(FULL_GAP, rel=0.02)
    assert (np.diff(gaps) > 0).all()
    assert np.corrcoef(gaps, np.linspace(0, 1, 11))[0, 1] > 0.995


def test_breath_lifts_shoulders_and_leaves_the_face(renderer: FaceRenderer, weights: Weights):
    out, mesh = new_posed(renderer.rig), renderer.rig.mesh
    pose(renderer.rig, weights(), STILL, 0.0, 1.0, out)
    moved = mesh.rest[:, 1] - out.px[:, 1]
    assert moved[mesh.head < 0.2].min() > 0
    assert np.abs(moved[:468]).max() < 0.02 * mesh.fit.scale


def test_head_turns_as_an_expression_says():
    nose = np.array([0, 0, 7.5, 1])
    assert (head_matrix(np.float32([0, 0.1, 0, 0, 0, 0])) @ nose)[0] > 0.5       # to the person's left
    assert (head_matrix(np.float32([0.1, 0, 0, 0, 0, 0])) @ nose)[1] > 0.5       # chin up
    crown = np.array([0, 10, 0, 1])
    assert (head_matrix(np.float32([0, 0, 0.1, 0, 0, 0])) @ crown)[0] > 0.5      # tilt to the left shoulder
    moved = head_matrix(np.float32([0, 0, 0, 0.1, 0.1, 0])) @ nose - nose[:3]
    assert moved[0] > 1 and moved[1] < -1                                        # y down
