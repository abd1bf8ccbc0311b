import numpy as np
import pytest

from limner.models.avatar import Avatar
from limner.models.face.renderer import FaceRenderer, fit_layer

from .conftest import Weights


def _eye(renderer: FaceRenderer, values: np.ndarray, side: int) -> np.ndarray:
    picture, _ = renderer.draw(values)
    rest = renderer.rig.mesh.rest[np.concatenate(renderer.rig.mesh.template.lids[side])]
    low, high = np.floor(rest.min(0)).astype(int), np.ceil(rest.max(0)).astype(int)
    return picture[low[1]:high[1] + 1, low[0]:high[0] + 1].astype(float).mean(2)


def _dark_centre(eye: np.ndarray) -> float:
    """Column of the darkness in the middle rows: where the iris is."""
    rows = eye[len(eye) // 4:-len(eye) // 4]
    dark = np.clip(np.percentile(rows, 60) - rows, 0, None).sum(0)
    return float((dark * np.arange(len(dark))).sum() / dark.sum())


@pytest.mark.parametrize("side", [0, 1])
def test_the_iris_goes_where_the_gaze_goes(renderer: FaceRenderer, weights: Weights, side: int):
    left = weights(eyeLookOutLeft=0.6, eyeLookInRight=0.6)
    right = weights(eyeLookInLeft=0.6, eyeLookOutRight=0.6)
    to_left, to_right = (_dark_centre(_eye(renderer, w, side)) for w in (left, right))
    assert to_left > to_right + 1                # px at 256; the person's left is the picture's right


def test_a_steady_gaze_is_the_portraits_own_eye(pack: Avatar, renderer: FaceRenderer, weights: Weights):
    own = fit_layer(pack.portrait.image, renderer.size[0]).astype(float)
    picture, _ = renderer.draw(weights())
    for upper, lower in renderer.rig.mesh.template.lids:
        rest = renderer.rig.mesh.rest[np.concatenate([upper, lower])]
        low, high = np.floor(rest.min(0)).astype(int), np.ceil(rest.max(0)).astype(int)
        eye = np.s_[low[1]:high[1] + 1, low[0]:high[0] + 1]
        assert np.abs(picture[eye] - own[eye]).mean() < 2.0      # grey levels; a finer portrait is read, not averaged


def test_a_shut_eye_shows_no_eyeball(renderer: FaceRenderer, weights: Weights):
    opened, shut = _eye(renderer, weights(), 0), _eye(renderer, weights(eyeBlink=1), 0)
    assert np.ptp(shut[len(shut) // 3: len(shut) * 2 // 3]) < 0.85 * np.ptp(opened)
