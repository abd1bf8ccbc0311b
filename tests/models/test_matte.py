"""The person's edge and the painted background: the arithmetic on made-up pictures, the whole on a real one."""

import numpy as np
import pytest

from limner.models.avatar import default_avatar
from limner.models.matte import guided_filter, matte_without_network, paint_background, person_matte


@pytest.fixture(scope="module")
def bundled():
    return default_avatar()


def test_guided_filter_moves_a_soft_edge_onto_the_picture():
    guide = np.zeros((96, 96, 3), np.float32)
    guide[:, 48:] = (0.8, 0.3, 0.1)
    ramp = np.clip((np.arange(96, dtype=np.float32) - 40) / 12, 0, 1)[None].repeat(96,
                                                                                   0)     # centred 2 px beside the edge
    fine = guided_filter(guide, ramp, radius=12, eps=1e-4)
    assert fine[48, 44] < 0.2 and fine[48, 52] > 0.8
    assert np.ptp(fine[48, 49:56]) < 0.1              # flat on each side: the step is where the colour steps


def test_guided_filter_keeps_a_constant():
    guide = np.random.default_rng(0).random((40, 50, 3), np.float32)
    np.testing.assert_allclose(guided_filter(guide, np.full((40, 50), 0.3, np.float32), 5, 1e-4), 0.3, atol=1e-4)


def scene(side: int = 256) -> tuple[np.ndarray, np.ndarray]:
    """A red disc on a grey-blue gradient, and its matte."""
    y, x = np.mgrid[:side, :side].astype(np.float32)
    image = np.stack([100 + x / 8, 110 + y / 8, 150 - x / 10], axis=-1)
    disc = (np.hypot(x - side / 2, y - side / 2) < side / 4).astype(np.float32)
    image[disc > 0] = (220, 20, 20)
    return image.astype(np.uint8), disc


def test_the_painted_background_leaves_no_ghost():
    image, disc = scene()
    painted = paint_background(image, disc).astype(int)
    y, x = np.mgrid[:256, :256]
    truth = np.stack([100 + x / 8, 110 + y / 8, 150 - x / 10], axis=-1)
    inside = disc > 0
    assert np.abs(painted - truth)[inside].mean() < 6        # of 255: a gradient continued from 64 px away on each side
    assert (painted[inside][:, 0] - painted[inside][:, 1]).max() < 40       # nothing red is left
    far = np.hypot(x - 128, y - 128) > 90
    np.testing.assert_array_equal(painted[far], image[far])


def test_a_picture_full_of_person_still_gets_a_background():
    image, _ = scene()
    painted = paint_background(image, np.ones((256, 256), np.float32))
    assert painted.shape == image.shape and painted[128:, :, 0].max() < 200


def test_the_matte_of_the_bundled_portrait(networks, bundled):
    matte = person_matte(bundled.portrait.image, bundled.portrait.landmarks)
    assert matte.dtype == np.float32 and matte.min() >= 0 and matte.max() <= 1
    assert matte[400:, 200:310].min() > 0.95                  # the chest
    assert matte[:150, :60].max() < 0.05 and matte[:150, -60:].max() < 0.05
    assert ((matte > 0.05) & (matte < 0.95)).mean() < 0.06    # a narrow edge, no haze


def test_the_matte_without_the_network_is_close(bundled):
    matte = matte_without_network(bundled.portrait.image, bundled.portrait.landmarks)
    both = np.minimum(matte, bundled.portrait.mask).sum() / np.maximum(matte, bundled.portrait.mask).sum()
    assert both > 0.85                                        # intersection over union with the network's answer
    np.testing.assert_array_equal(matte, matte_without_network(bundled.portrait.image, bundled.portrait.landmarks))


def test_the_background_of_the_bundled_portrait_shows_no_face(bundled):
    """Behind the face the painted view is as calm as a wall: no edge anywhere near as strong as the face's."""
    face = bundled.portrait.landmarks[:468, :2].astype(int)
    (x0, y0), (x1, y1) = face.min(0), face.max(0)
    calm = bundled.background[y0:y1, x0:x1].astype(float).std(axis=(0, 1)).max()
    assert calm < 0.25 * bundled.portrait.image[y0:y1, x0:x1].astype(float).std(axis=(0, 1)).max()
