import numpy as np
import pytest

from limner.engine.errors import PortraitError, UsageError
from limner.models.dinet import crop
from tests.models import faces


def points(count=5, grow=0.0):
    """Faces 100 px wide at the mouth, chin 120 px under the bridge, growing by `grow` per frame."""
    marks = np.zeros((count, 68, 2))
    marks[:, 29], marks[:, 33], marks[:, 48], marks[:, 54], marks[:, 8] = (300, 200), (300, 230), (250, 270), (350, 270), (300, 320)
    scale = 1 + grow * np.arange(count)[:, None, None]
    return marks * scale


def test_radius_is_the_next_multiple_of_four():
    assert crop.radius(points()) == 64                                   # 120 * 1.05 // 2 = 63
    assert crop.radius(points(), 1.15) == 72                             # 69
    assert crop.radius(points(1)) == 64


def test_radius_follows_the_largest_frame_and_refuses_a_jump():
    assert crop.radius(points(grow=0.05)) == 76
    with pytest.raises(PortraitError, match="keeps its distance"):
        crop.radius(points(grow=0.2))
    with pytest.raises(PortraitError):
        crop.radius(np.zeros((2, 68, 2)))


def test_smooth_window_is_the_box_at_whole_pixels():
    marks = points(1)[0]
    box, window = crop.crop_box(marks, 64), crop.crop_window(marks, 64)
    assert (window.left, window.top) == (box.left, box.top)
    assert (window.width, window.height) == (box.right - box.left, box.bottom - box.top)


def test_mouth_square_is_hidden_and_nothing_else():
    pictures = np.full((2, 104, 80, 3), 9, np.uint8)
    hidden = crop.hide_mouth(pictures, 64)
    assert (hidden == 0).sum() == 2 * 64 * 64 * 3 and not hidden[:, 32:96, 8:72].any() and pictures.min() == 9
    assert crop.repainted(64) == (32 / 104, 96 / 104, 0.1, 0.9)


def test_unknown_mouth_size():
    with pytest.raises(UsageError, match="64, 128, 256"):
        crop.picture_size(96)


def test_68_points_of_the_mesh_lie_where_they_should():
    marks = faces.portrait().landmarks[list(crop.MULTI_PIE), :2]
    assert len(set(crop.MULTI_PIE)) == 68
    assert marks[8, 1] == marks[:, 1].max()                              # the chin is lowest
    assert marks[0, 0] < marks[48, 0] < marks[33, 0] < marks[54, 0] < marks[16, 0]
    assert marks[27, 1] < marks[28, 1] < marks[29, 1] < marks[30, 1] < marks[33, 1] < marks[51, 1] < marks[57, 1]
