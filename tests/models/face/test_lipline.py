import cv2
import numpy as np

from limner.models.face.canonical import INNER_LOWER, INNER_UPPER, coarse
from limner.models.face.lipline import cheapest_path, settle_lips


def _landmarks(gap: float) -> np.ndarray:
    """The canonical face at 20 px per cm with its lips `gap` px apart."""
    points, _ = coarse()
    out = np.concatenate([points * [20, -20, -20] + [256, 200, 0], np.zeros((10, 3))]).astype(np.float32)
    for inner, sign in ((INNER_UPPER, -1), (INNER_LOWER, 1)):
        out[list(inner[1:-1]), 1] = out[INNER_UPPER[0], 1] + sign * gap / 2
    return out


def test_closed_lips_get_one_line_on_the_dark_one():
    landmarks = _landmarks(gap=3)
    image = np.full((512, 512, 3), 190, np.uint8)
    line = int(landmarks[13, 1]) + 5
    cv2.line(image, (214, line), (298, line), (60, 20, 20), 2)
    out = settle_lips(image, landmarks)
    assert np.array_equal(out[list(INNER_UPPER)], out[list(INNER_LOWER)])
    assert abs(out[13, 1] - line) < 1.0
    untouched = [1, 33, 152, 263, 61, 291, 0, 17]
    assert np.array_equal(out[untouched], landmarks[untouched])


def test_open_lips_stay_open():
    landmarks = _landmarks(gap=16)
    out = settle_lips(np.full((512, 512, 3), 190, np.uint8), landmarks)
    gap = out[14, 1] - out[13, 1]
    assert abs(gap - (landmarks[14, 1] - landmarks[13, 1])) < 0.01           # px


def test_cheapest_path_follows_the_valley():
    valley = (10 + 6 * np.sin(np.arange(60) / 9)).round().astype(int)
    cost = np.abs(np.arange(30)[None] - valley[:, None]).astype(np.float32)
    assert np.abs(cheapest_path(cost) - valley).max() <= 1
