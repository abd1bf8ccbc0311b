import numpy as np

from limner.models.face.renderer import FaceRenderer
from limner.models.face.shade import build_shade

from .conftest import Weights


def test_shadows_come_with_the_expression(renderer: FaceRenderer, weights: Weights):
    shade, template = build_shade(renderer.rig.mesh), renderer.rig.mesh.template
    assert (shade.at(weights()) == 1).all()
    opened = shade.at(weights(jawOpen=1))
    assert opened[18] < 0.95                     # under the lower lip
    assert opened[10] == 1                       # the forehead
    left = shade.at(weights(mouthSmileLeft=1))
    fold = template.vertices[:468, 0]
    assert (1 - left[:468])[fold > 1.5].max() > 0.05 and (1 - left[:468])[fold < -1.0].max() < 0.01
    assert shade.at(np.ones(52, np.float32)).min() > 0.6
