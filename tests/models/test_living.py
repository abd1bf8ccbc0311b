import numpy as np
import pytest

from limner.models import living
from tests.models import faces


@pytest.fixture(scope="module")
def clip():
    portrait = faces.portrait()
    return living.live(living.seated(portrait, 256), portrait, 30, 3, 1.0), portrait


def test_starts_from_the_photo_and_moves_smoothly(clip):
    it, portrait = clip
    assert it.frames.shape == (30, 256, 256, 3) and it.landmarks.shape == (30, 478, 3) and it.duration == 3600
    rest = portrait.landmarks[:, :2] * 256 / portrait.image.shape[0]
    assert np.abs(it.landmarks[0, :468, :2] - rest[:468]).mean() < 4
    steps = np.abs(np.diff(it.landmarks[:, [1, 152, 234, 454], :2], axis=0)).max()
    assert 0.02 < steps < 2


def test_landmarks_move_with_the_pixels(clip):
    """The tip of the nose is found again where its landmark went."""
    import cv2
    it, _ = clip
    far = int(np.abs(it.landmarks[:, 1, :2] - it.landmarks[0, 1, :2]).sum(1).argmax())
    grey = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in (it.frames[0], it.frames[far])]
    start = it.landmarks[0, [1, 4, 195, 2], :2].reshape(-1, 1, 2).astype(np.float32)
    found, status, _ = cv2.calcOpticalFlowPyrLK(*grey, start, None, winSize=(21, 21))
    moved = it.landmarks[far, [1, 4, 195, 2], :2]
    assert status.all() and np.median(np.abs(found[:, 0] - moved)) < 0.6


def test_same_seed_same_clip(clip):
    portrait = faces.portrait()
    face = living.seated(portrait, 256)
    again = living.live(face, portrait, 3, 3, 1.0)
    assert np.array_equal(again.frames, clip[0].frames[:3])
    assert not np.array_equal(living.live(face, portrait, 3, 4, 1.0).frames, again.frames)
