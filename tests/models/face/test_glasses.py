import cv2
import numpy as np
import pytest

from limner.engine.types import ARKIT_INDEX
from limner.models.avatar import load_avatar
from limner.models.face.deform import build_rig
from limner.models.face.fit import fit_mesh
from limner.models.face.glasses import NASION, wears_glasses


@pytest.mark.parametrize(("name", "worn"), [("astronaut", False), ("iris", False), ("otto", True)])
def test_glasses_are_seen_where_they_are(name: str, worn: bool):
    portrait = load_avatar(name).portrait
    assert wears_glasses(portrait.image, portrait.landmarks) is worn


def test_a_bridge_painted_on_a_bare_nose_is_seen():
    portrait = load_avatar("astronaut").portrait
    image, (x, y) = portrait.image.copy(), portrait.landmarks[NASION, :2]
    cv2.line(image, (int(x) - 20, int(y)), (int(x) + 20, int(y)), (30, 25, 20), 3)
    assert wears_glasses(image, portrait.landmarks)


def test_under_glasses_brows_move_less_and_mouths_the_same():
    portrait = load_avatar("otto").portrait
    mesh = fit_mesh(portrait.landmarks, portrait.image.shape[0])
    bare, worn = build_rig(mesh), build_rig(mesh, glasses=True)
    brow, smile = ARKIT_INDEX["browInnerUp"], ARKIT_INDEX["mouthSmileLeft"]
    assert np.abs(worn.shapes[brow]).max() < 0.5 * np.abs(bare.shapes[brow]).max()
    assert np.array_equal(worn.shapes[smile], bare.shapes[smile])
    assert worn.lids[0].above.sum() < 0.95 * bare.lids[0].above.sum()
