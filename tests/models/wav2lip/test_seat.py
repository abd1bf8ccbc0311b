import numpy as np

from limner.models.wav2lip.seat import face_windows
from tests.models import faces


def test_box_holds_the_face_and_keeps_its_size():
    _, marks = faces.moving(5)
    windows = face_windows(marks)
    assert len({(w.width, w.height) for w in windows}) == 1
    for w, points in zip(windows, marks, strict=True):
        inside = (points[:, 0] > w.left - 2) & (points[:, 0] < w.left + w.width + 2)
        assert inside.mean() > 0.97 and points[152, 1] < w.top + w.height
    assert np.ptp([w.left for w in windows]) > 1                         # it follows the head
