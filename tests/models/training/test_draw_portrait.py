"""The drawn people are people to the networks too."""

import numpy as np
import pytest

from limner.models.portrait import find_faces
from limner.models.training import draw_portrait


@pytest.mark.slow
@pytest.mark.parametrize("name", ["iris", "otto"])
def test_a_drawing_is_one_face_before_a_wall(networks, monkeypatch, name):
    """A quarter of the size: what is drawn does not depend on it."""
    monkeypatch.setattr(draw_portrait, "SIDE", 384)
    monkeypatch.setattr(draw_portrait, "OVERSAMPLING", 1)
    picture = getattr(draw_portrait, name)()
    assert picture.shape == (384, 384, 4)
    assert picture[200, 192, 3] == 255 and (picture[5, :, 3] == 0).all()
    wall = draw_portrait.wall(getattr(draw_portrait, f"{name.upper()}_WALL"))
    clear = picture[..., 3] == 0
    assert 0.2 < clear.mean() < 0.7
    assert np.abs(picture[..., :3].astype(int) - wall)[clear].mean() < 3           # shadows end at the person's edge
    [face] = find_faces(np.ascontiguousarray(picture[..., :3]))
    assert abs(face.yaw) < 4 and face.eyes > 60
