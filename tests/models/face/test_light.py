import numpy as np

from limner.models.avatar import Avatar
from limner.models.face.light import measure_light
from limner.models.face.renderer import FaceRenderer


def test_enamel_follows_the_portraits_light(pack: Avatar, renderer: FaceRenderer):
    portrait, mesh = pack.portrait, renderer.rig.mesh
    k = renderer.size[0] / portrait.image.shape[0]
    image = portrait.image[:: round(1 / k), :: round(1 / k)]
    points = portrait.landmarks * np.float32(k)
    plain = measure_light(image, mesh, points, None).enamel
    yellow = measure_light(np.rint(image * [1.0, 0.9, 0.5]).astype(np.uint8), mesh, points, None).enamel
    dim = measure_light(image // 2, mesh, points, None).enamel
    assert yellow[2] / yellow[0] < 0.75 * plain[2] / plain[0]
    assert 0.35 < dim.mean() / plain.mean() < 0.65
    assert plain.min() > 40 and plain.max() <= 255


def test_teeth_seen_in_the_portrait_settle_the_colour(pack: Avatar, renderer: FaceRenderer):
    seen = np.float32([220, 205, 170])
    enamel = measure_light(pack.portrait.image, renderer.rig.mesh, pack.portrait.landmarks, seen).enamel
    assert np.abs(enamel / enamel.mean() - seen / seen.mean()).max() < 0.05


def test_a_picture_of_greys_gets_a_grey_mouth(pack: Avatar, renderer: FaceRenderer):
    """And a faded one colours half gone; in full colour flesh is red."""
    portrait, mesh = pack.portrait, renderer.rig.mesh
    grey = portrait.image.mean(2, keepdims=True).astype(np.float32)
    spread = []
    for share in (0.0, 0.25, 1.0):
        image = np.rint(grey + (portrait.image - grey) * share).astype(np.uint8)
        tongue = measure_light(image, mesh, portrait.landmarks, None).tongue
        spread.append(float(np.ptp(tongue) / tongue.mean()))
    assert spread[0] < 0.03 < spread[1] < spread[2]
    assert spread[2] > 0.4
