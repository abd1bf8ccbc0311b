import cv2
import numpy as np

from limner.models.face.canonical import LEFT_LOWER, LEFT_UPPER, RIGHT_LOWER, RIGHT_UPPER, coarse
from limner.models.face.lidline import settle_lids


def _face() -> tuple[np.ndarray, np.ndarray]:
    """Skin with two white eyes that reach 5 px lower than the landmarks say."""
    points, _ = coarse()
    landmarks = np.concatenate([points * [20, -20, -20] + [256, 200, 0], np.zeros((10, 3))]).astype(np.float32)
    image = np.full((512, 512, 3), (205, 150, 125), np.uint8)
    for upper, lower in ((RIGHT_UPPER, RIGHT_LOWER), (LEFT_UPPER, LEFT_LOWER)):
        low = landmarks[list(lower), :2] + [0, 5]
        outline = np.concatenate([landmarks[list(upper), :2], low[::-1]])
        cv2.fillPoly(image, [np.rint(outline).astype(np.int32)], (240, 240, 245))
    return image, landmarks


def test_lower_lids_go_down_to_where_the_eye_ends():
    image, landmarks = _face()
    out = settle_lids(image, landmarks)
    for name in (145, 374):                      # the middle of each lower lid
        assert 3 < out[name, 1] - landmarks[name, 1] < 7
    assert np.array_equal(out[[1, 13, 61, 105, 152]], landmarks[[1, 13, 61, 105, 152]])


def test_corners_move_out_and_upper_lids_hardly():
    image, landmarks = _face()
    out = settle_lids(image, landmarks)
    assert out[33, 0] < landmarks[33, 0] and out[133, 0] > landmarks[133, 0]
    eyes = np.linalg.norm(landmarks[33] - landmarks[263])
    assert np.abs(out[[159, 386], 1] - landmarks[[159, 386], 1]).max() < 0.015 * eyes
