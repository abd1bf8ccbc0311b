"""The relief of the canonical face looks at the viewer, is symmetrical, and bends where it is told to."""

import numpy as np
import pytest

from limner.models.face.canonical import coarse
from limner.models.training.paint import Canvas
from limner.models.training.sculpt import bend, gloss, lambert, magnify, relief


@pytest.fixture(scope="module")
def face():
    canvas = Canvas(256, 12.0, (0.5, 0.5))
    return canvas, relief(canvas, coarse()[0], 0.2)


def test_normals_are_unit_and_face_the_viewer(face):
    _, shaded = face
    normals = shaded.normals[shaded.inside > 0.99]
    np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1, atol=1e-3)
    assert (normals[:, 2] > 0).mean() > 0.97           # all but the undersides of nose and brow
    assert shaded.normals[128, 45, 0] < -0.3 and shaded.normals[128, 211, 0] > 0.3


def test_left_and_right_are_alike(face):
    _, shaded = face
    mirror = shaded.normals[:, ::-1] * [-1, 1, 1]
    both = (shaded.inside > 0.99) & (shaded.inside[:, ::-1] > 0.99)
    assert np.abs(shaded.normals[:, 1:] - mirror[:, :-1])[both[:, 1:]].mean() < 0.02     # the middle lies between pixels


def test_light_falls_from_its_side(face):
    _, shaded = face
    light = lambert(shaded.normals, (-1, 0, 0.5))
    inside = shaded.inside > 0.99
    assert light[:, :128][inside[:, :128]].mean() > 2 * light[:, 128:][inside[:, 128:]].mean()
    assert 0 <= light.min() <= light.max() <= 1
    shine = gloss(shaded.normals, (0, 0, 1), 30)
    assert shine[inside].max() > 0.9 and shine[inside].mean() < 0.5


def test_bending_moves_both_sides_alike_and_fades():
    points, _ = coarse()
    bent = bend(points, ((4.45, 2.66), 0.5, (0.3, 0.2, 0)))
    np.testing.assert_allclose(bent[263] - points[263], [0.3, 0.2, 0], atol=0.01)
    np.testing.assert_allclose(bent[33] - points[33], [-0.3, 0.2, 0], atol=0.01)
    np.testing.assert_allclose(bent[152], points[152], atol=1e-3)


def test_magnifying_grows_the_eyes():
    points, _ = coarse()
    large = magnify(points, (3.16, 2.65), 1.9, 1.3, 1.5)
    assert np.ptp(large[[362, 263], 0]) > 1.15 * np.ptp(points[[362, 263], 0])
    np.testing.assert_allclose(large[152], points[152], atol=0.01)
