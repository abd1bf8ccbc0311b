import numpy as np
import pytest

from limner.models.face.deform import new_posed, pose
from limner.models.face.renderer import FaceRenderer

from .conftest import Weights

STILL = np.zeros(6, np.float32)


def _opening(renderer: FaceRenderer, values: np.ndarray, side: int) -> float:
    out, lids = new_posed(renderer.rig), renderer.rig.lids[side]
    pose(renderer.rig, values, STILL, 0.0, 0.0, out)
    return float((out.cm[lids.upper, 1] - out.cm[lids.lower, 1]).mean())


@pytest.mark.parametrize("side", [0, 1])
def test_a_blink_shuts_the_eye_step_by_step(renderer: FaceRenderer, weights: Weights, side: int):
    steps = [_opening(renderer, weights(eyeBlink=b), side) for b in (0, 0.25, 0.5, 0.75, 1)]
    assert (np.diff(steps) < 0).all()
    assert abs(steps[-1]) < 1e-4


def test_one_eye_winks_alone(renderer: FaceRenderer, weights: Weights):
    wink = weights(eyeBlinkLeft=1)
    assert abs(_opening(renderer, wink, 1)) < 1e-4
    assert _opening(renderer, wink, 0) == pytest.approx(_opening(renderer, weights(), 0), abs=1e-4)


def test_lids_never_cross_and_brows_stay(renderer: FaceRenderer, weights: Weights):
    shut = weights(eyeBlink=1, eyeSquint=1, eyeLookDown=1)
    assert _opening(renderer, shut, 0) > -1e-4
    out = new_posed(renderer.rig)
    pose(renderer.rig, weights(eyeBlink=1), STILL, 0.0, 0.0, out)
    brow_tops = [63, 105, 66, 107, 293, 334, 296, 336]
    assert np.abs(out.cm - renderer.rig.mesh.shape)[brow_tops].max() < 0.02       # cm


def test_eyes_open_wider_and_narrower(renderer: FaceRenderer, weights: Weights):
    rest = _opening(renderer, weights(), 0)
    assert _opening(renderer, weights(eyeWide=1), 0) > 1.1 * rest
    assert _opening(renderer, weights(eyeSquint=1), 0) < 0.8 * rest
    assert _opening(renderer, weights(eyeLookDown=1), 0) < 0.9 * rest
