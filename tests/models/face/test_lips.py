import numpy as np
import pytest
from limner.models.face.deform import new_posed, pose
from limner.models.face.renderer import FaceRenderer

from .conftest import Weights

STILL = np.zeros(6, np.float32)


def _gaps(renderer: FaceRenderer, values: np.ndarray, relax: float = 1.0) -> np.ndarray:
    out = new_posed(renderer.rig)
    pose(renderer.rig, values, STILL, relax, 0.0, out)
    return renderer.rig.lips.gaps(out.cm)


@pytest.mark.parametrize("jaw", [0.0, 0.1, 0.4, 0.8])
def test_lips_close_over_any_jaw(renderer: FaceRenderer, weights: Weights, jaw: float):
    gaps = _gaps(renderer, weights(jawOpen=jaw, mouthClose=1.0, mouthPress=0.3))
    assert np.abs(gaps).max() < 1e-4             # cm


def test_close_takes_back_its_share_of_the_jaw(renderer: FaceRenderer, weights: Weights):
    middle = len(renderer.rig.lips.upper) // 2
    whole = _gaps(renderer, weights(jawOpen=0.5))[middle]
    half = _gaps(renderer, weights(jawOpen=0.5, mouthClose=0.5))[middle]
    lift = 0.5 * renderer.rig.lips.lift[middle]
    assert half == pytest.approx((whole - lift) / 2 + lift, rel=0.1)


def test_an_open_portrait_relaxes_to_closed_lips(renderer: FaceRenderer, weights: Weights):
    rest = _gaps(renderer, weights(), relax=0.0)
    assert np.allclose(rest, renderer.rig.lips.rest, atol=1e-4)
    assert np.abs(_gaps(renderer, weights(), relax=1.0)).max() < 1e-4


def test_round_lips_are_narrower_and_spread_lips_wider(renderer: FaceRenderer, weights: Weights):
    corners = renderer.rig.mesh.template.outer_upper[[0, -1]]

    def width(values: np.ndarray) -> float:
        out = new_posed(renderer.rig)
        pose(renderer.rig, values, STILL, 1.0, 0.0, out)
        return float(np.ptp(out.cm[corners, 0]))

    rest = width(weights())
    assert width(weights(mouthPucker=1)) < 0.85 * rest
    assert width(weights(mouthStretch=1)) > 1.08 * rest
