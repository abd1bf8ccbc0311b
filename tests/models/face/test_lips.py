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


def test_round_lips_hold_their_sides_shut(renderer: FaceRenderer, weights: Weights):
    spread, rounded = (_gaps(renderer, weights(jawOpen=0.1, **extra)) for extra in ({}, {"mouthPucker": 0.9}))
    assert rounded.max() > 0.1                                                       # cm
    assert rounded[2] / rounded.max() < 0.6 * spread[2] / spread.max()


@pytest.mark.parametrize("shapes", [{"mouthPress": 0.9, "mouthRollUpper": 0.5}, {"mouthRollLower": 1.0}, {"mouthPucker": 1.0}])
def test_lips_never_fold_over_their_rim(renderer: FaceRenderer, weights: Weights, shapes: dict[str, float]):
    out, lips = new_posed(renderer.rig), renderer.rig.lips
    pose(renderer.rig, weights(jawOpen=0.1, mouthClose=1.0, **shapes), STILL, 1.0, 0.0, out)
    for rim, side in ((lips.upper, 1), (lips.lower, -1)):
        skin = lips.near[np.sign(lips.pull) == side]
        x, y = out.cm[skin, 0], out.cm[skin, 1]
        over = (x > out.cm[rim[0], 0]) & (x < out.cm[rim[-1], 0])
        beyond = side * (np.interp(x, out.cm[rim, 0], out.cm[rim, 1]) - y)[over]
        assert over.sum() > 50 and beyond.max() < 1e-3                               # cm


def test_shut_lips_of_an_open_portrait_meet_on_an_even_line(renderer: FaceRenderer, weights: Weights):
    out, lips = new_posed(renderer.rig), renderer.rig.lips
    pose(renderer.rig, weights(mouthClose=1.0), STILL, 1.0, 0.0, out)
    line = out.cm[lips.upper]
    bent = np.polyval(np.polyfit(line[:, 0], line[:, 1], 4), line[:, 0])
    assert np.abs(line[:, 1] - bent).max() < 0.12                                    # cm


def test_round_lips_open_above_and_below_a_straight_line(renderer: FaceRenderer, weights: Weights):
    out, lips = new_posed(renderer.rig), renderer.rig.lips
    pose(renderer.rig, weights(jawOpen=0.15, mouthPucker=0.8, mouthFunnel=0.4), STILL, 1.0, 0.0, out)
    x, middle = out.cm[lips.upper, 0], (out.cm[lips.upper, 1] + out.cm[lips.lower, 1]) / 2
    sag = middle - np.interp(x, x[[0, -1]], middle[[0, -1]])
    assert np.abs(sag).max() < 0.2 * lips.gaps(out.cm).max()         # a wedge, flat above, has half the gap
