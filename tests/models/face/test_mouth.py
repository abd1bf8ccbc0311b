import numpy as np
import pytest

from limner.models.face.renderer import FaceRenderer

from .conftest import Weights


def _opening(renderer: FaceRenderer, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The picture, and the pixels between the inner lip curves [n] (rows, columns)."""
    picture, _ = renderer.draw(values, relax=1.0)
    posed, template = renderer._posed, renderer.rig.mesh.template
    top, bottom = posed.px[template.inner_upper], posed.px[template.inner_lower]
    y, x = np.mgrid[:renderer.size[0], :renderer.size[1]]
    inside = (y > np.interp(x, top[:, 0], top[:, 1], left=1e9) + 1) & \
             (y < np.interp(x, bottom[:, 0], bottom[:, 1], right=-1e9) - 1)
    return picture, inside


def test_an_open_mouth_is_dark_behind_bright_teeth(renderer: FaceRenderer, weights: Weights):
    picture, inside = _opening(renderer, weights(jawOpen=0.7))
    values = picture[inside].mean(1)
    skin = picture[int(renderer.rig.mesh.rest[151, 1]), int(renderer.rig.mesh.rest[151, 0])].mean()
    assert np.percentile(values, 20) < 0.35 * skin
    assert np.percentile(values, 97) > 2.5 * np.percentile(values, 20)


def test_upper_teeth_stay_with_the_skull_and_lower_ones_go_with_the_jaw(renderer: FaceRenderer, weights: Weights):
    mouth = renderer._mouth
    drops = []
    for jaw in (0.3, 0.6):
        renderer.draw(weights(jawOpen=jaw), relax=1.0)
        drops.append(renderer._posed.jaw)
    assert mouth.bite == renderer._mouth.bite and drops[1] == pytest.approx(2 * drops[0])


def test_a_tongue_between_the_teeth_is_seen(renderer: FaceRenderer, weights: Weights):
    values = weights(jawOpen=0.25, mouthLowerDown=0.3)
    without, inside = _opening(renderer, values)
    values += weights(tongueOut=0.6)
    shown, _ = _opening(renderer, values)
    change = shown[inside].astype(int) - without[inside]
    assert (np.abs(change).max(1) > 25).mean() > 0.1


def test_shut_teeth_fill_parted_lips(renderer: FaceRenderer, weights: Weights):
    shut, inside = _opening(renderer, weights(mouthLowerDown=0.5, mouthUpperUp=0.5))
    opened, wide = _opening(renderer, weights(jawOpen=0.7))
    assert shut[inside].mean() > 1.3 * opened[wide].mean()


def test_the_depth_of_an_open_mouth_is_dark_flesh_not_black(renderer: FaceRenderer, weights: Weights):
    picture, inside = _opening(renderer, weights(jawOpen=0.45, mouthLowerDown=0.2))
    values = picture[inside].astype(float)
    deep = values[values.mean(1) < np.percentile(values.mean(1), 40)].mean(0)
    skin = picture[int(renderer.rig.mesh.rest[151, 1]), int(renderer.rig.mesh.rest[151, 0])].mean()
    assert 0.10 * skin < deep.mean() < 0.45 * skin
    assert deep[0] > 1.2 * deep[2]                                   # red in the light of any of these portraits
