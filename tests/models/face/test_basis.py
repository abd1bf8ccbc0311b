import numpy as np

from limner.engine.types import ARKIT, ARKIT_INDEX
from limner.models.face.basis import basis
from limner.models.face.canonical import coarse

# Not bent here: lids and lips that meet, and what is drawn instead of bent.
ELSEWHERE = {"mouthClose", "tongueOut", "eyeBlinkLeft", "eyeBlinkRight"} | {n for n in ARKIT if n.startswith("eyeLook")}


def test_every_shape_moves_the_face_and_is_finite():
    points, _ = coarse()
    shapes = basis(points)
    assert shapes.shape == (52, 468, 3) and np.isfinite(shapes).all()
    reach = np.linalg.norm(shapes, axis=2).max(1)
    for name in ARKIT:
        assert (reach[ARKIT_INDEX[name]] > 0.05) != (name in ELSEWHERE), name
    assert reach.max() < 1.6                     # cm


def test_right_shapes_mirror_left_ones():
    points, _ = coarse()
    mirrored = basis((points * [-1, 1, 1]).astype(np.float32))
    shapes = basis(points)
    for name in ARKIT:
        if name.endswith("Left") and name not in ELSEWHERE:
            other = shapes[ARKIT_INDEX[name[:-4] + "Right"]]
            assert np.allclose(mirrored[ARKIT_INDEX[name]] * [-1, 1, 1], other, atol=1e-6), name


def test_shapes_do_what_their_names_say():
    points, _ = coarse()
    shapes = basis(points)
    left_corner, lower, upper, brow = 291, 14, 13, 105
    assert shapes[ARKIT_INDEX["mouthSmileLeft"], left_corner, 0] > 0.3
    assert shapes[ARKIT_INDEX["mouthSmileLeft"], left_corner, 1] > 0.3
    assert shapes[ARKIT_INDEX["mouthFrownLeft"], left_corner, 1] < -0.3
    assert shapes[ARKIT_INDEX["mouthPucker"], left_corner, 0] < -0.5
    assert shapes[ARKIT_INDEX["mouthPucker"], lower, 2] > 0.5
    assert shapes[ARKIT_INDEX["mouthLowerDownLeft"], lower, 1] < -0.1
    assert shapes[ARKIT_INDEX["mouthUpperUpLeft"], upper, 1] > 0.1
    assert shapes[ARKIT_INDEX["browDownRight"], brow, 1] < -0.15
    assert shapes[ARKIT_INDEX["jawLeft"], 152, 0] > 0.5
