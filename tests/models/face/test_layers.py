import numpy as np

from limner.models.face.layers import compose, enlarge, separate, spread_colour
from limner.models.face.raster import GAIN_ONE


def _scene(seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A picture of a red disc with a soft rim on a green ground, its matte, and the ground."""
    y, x = np.mgrid[:96, :96]
    mask = np.clip((30 - np.hypot(x - 48, y - 48)) / 4 + 0.5, 0, 1).astype(np.float32)
    ground = np.broadcast_to(np.uint8([30, 160, 60]), (96, 96, 3)).copy()
    image = np.rint(ground + (np.array([210, 40, 30]) - ground.astype(float)) * mask[..., None]).astype(np.uint8)
    return image, mask, ground


def test_layers_compose_to_the_portrait():
    image, mask, ground = _scene()
    person, back = separate(image, mask, ground, np.zeros_like(mask))
    out, alpha = np.empty_like(image), np.empty(mask.shape, np.uint8)
    compose(person, np.full(mask.shape, GAIN_ONE, np.uint16), back, False, out, alpha)
    assert np.abs(out.astype(int) - image).max() <= 2            # rounding of colour and opacity
    assert np.abs(alpha / 255 - mask).max() < 0.003


def test_another_backdrop_shows_no_rim_of_the_old_one():
    image, mask, ground = _scene()
    person, _ = separate(image, mask, ground, np.zeros_like(mask))
    out, alpha = np.empty_like(image), np.empty(mask.shape, np.uint8)
    compose(person, np.full(mask.shape, GAIN_ONE, np.uint16), np.full_like(image, 255), False, out, alpha)
    wanted = 255 + (np.array([210, 40, 30]) - 255.0) * mask[..., None]
    assert np.abs(out - wanted).max() < 12       # grey levels; the green ground would leave 100 and more


def test_a_cutout_has_the_persons_own_colours_beyond_the_edge():
    image, mask, ground = _scene()
    person, back = separate(image, mask, ground, np.ones_like(mask))
    out, alpha = np.empty_like(image), np.empty(mask.shape, np.uint8)
    compose(person, np.full(mask.shape, GAIN_ONE, np.uint16), back, True, out, alpha)
    assert np.abs(out.astype(int) - (210, 40, 30)).max() < 12    # grey levels, everywhere: no green
    assert np.abs(alpha / 255 - mask).max() < 0.003


def test_gain_darkens_the_person_only():
    image, mask, ground = _scene()
    person, back = separate(image, mask, ground, np.zeros_like(mask))
    out, alpha = np.empty_like(image), np.empty(mask.shape, np.uint8)
    compose(person, np.full(mask.shape, GAIN_ONE // 2, np.uint16), back, False, out, alpha)
    assert abs(int(out[48, 48, 0]) - 105) <= 1 and np.array_equal(out[2, 2], ground[2, 2])


def test_colours_spread_from_what_is_known():
    image = np.zeros((40, 40, 3), np.float32)
    image[:, :10], image[:, 30:] = 50, 150
    known = np.zeros((40, 40), bool)
    known[:, :10] = known[:, 30:] = True
    out = spread_colour(image, known)
    assert np.allclose(out[known], image[known], atol=0.01)
    assert np.isfinite(out).all() and 50 <= out[20, 20, 0] <= 150 and out[20, 12, 0] < out[20, 27, 0]


def test_enlarging_keeps_the_pixels():
    image = np.random.default_rng(0).integers(0, 255, (20, 24, 4), np.uint8)
    assert np.array_equal(enlarge(image)[::2, ::2], image)
