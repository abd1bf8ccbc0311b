from itertools import pairwise

import numpy as np
import pytest

from limner.engine.testing import check_stage
from limner.engine.types import Frame
from limner.models.restorers.sharpen import SharpenStage, create, sharpen


def reference(picture, sharpness):
    """The published formula, pixel by pixel in double precision."""
    p = np.pad(picture.astype(float), ((1, 1), (1, 1), (0, 0)), mode="edge")
    cross = np.stack([p[:-2, 1:-1], p[2:, 1:-1], p[1:-1, :-2], p[1:-1, 2:], p[1:-1, 1:-1]]) / 255
    low, high = cross[..., 1].min(0), cross[..., 1].max(0)
    amplitude = np.sqrt(np.clip(np.minimum(low, 1 - high) / np.maximum(high, 1 / 255), 0, 1))
    w = (-amplitude / (8 - 3 * sharpness))[..., None]
    return np.clip((w * cross[:4].sum(0) + cross[4]) / (1 + 4 * w), 0, 1) * 255


@pytest.mark.parametrize("sharpness", [0.0, 0.5, 1.0])
def test_equals_the_formula(sharpness):
    picture = np.random.default_rng(2).integers(0, 256, (37, 41, 3), np.uint8)
    assert np.abs(sharpen(picture, sharpness) - reference(picture, sharpness)).max() <= 0.51


def test_flat_and_full_contrast_areas_stay():
    flat = np.full((20, 20, 3), 90, np.uint8)
    assert np.array_equal(sharpen(flat, 1.0), flat)
    edge = np.zeros((20, 20, 3), np.uint8)
    edge[:, 10:] = 255
    assert np.array_equal(sharpen(edge, 1.0), edge)                   # nothing left to gain, so no ringing


def test_soft_detail_gains():
    x = np.arange(64)
    soft = np.broadcast_to(np.rint(120 + 20 * np.sin(x * 1.0))[None, :, None], (64, 64, 3)).astype(np.uint8)
    assert 1.2 * soft.std() < sharpen(soft, 1.0).std() < 2 * soft.std()


def test_only_the_seated_face_is_touched_and_its_edge_is_soft():
    rng = np.random.default_rng(4)
    picture = rng.integers(90, 140, (400, 400, 3), np.uint8)
    landmarks = np.zeros((478, 2))
    landmarks[[468, 473, 1, 61, 291]] = [(90, 90), (115, 90), (102, 105), (93, 115), (112, 115)]
    stage = SharpenStage(1.0)
    stage.seat(landmarks * 2, (800, 800))
    change = np.abs(stage.push(Frame(picture, 0, 3600, 0))[0].pixels.astype(int) - picture)
    rows, columns = np.flatnonzero(change.any((1, 2))), np.flatnonzero(change.any((0, 2)))
    assert rows[0] > 20 and rows[-1] < 200 and columns[0] > 20 and columns[-1] < 200
    assert change[rows[0]:rows[0] + 4].mean() < 0.2 * change[95:110, 95:110].mean()


def frames_of(pictures, sharpness=1.0):
    stage = SharpenStage(sharpness)
    return [stage.push(Frame(p, 3600 * k, 3600, 0))[0].pixels for k, p in enumerate(pictures)]


def test_a_noisy_still_picture_flickers_no_more_than_before():
    rng = np.random.default_rng(6)
    ground = np.rint(120 + 30 * np.sin(np.arange(80) / 3))[None, :, None]
    noisy = [np.clip(ground + rng.normal(0, 1.2, (60, 80, 3)), 0, 255).astype(np.uint8) for _ in range(12)]

    def flicker(pictures):
        return np.mean([np.abs(b.astype(float) - a).mean() for a, b in pairwise(pictures[3:])])

    assert flicker([sharpen(p, 0.5) for p in noisy]) > 1.5 * flicker(noisy)
    assert flicker(frames_of(noisy, 0.5)) <= flicker(noisy)


def test_what_moves_is_sharpened_at_once():
    rng = np.random.default_rng(7)
    a, b = rng.integers(0, 256, (2, 40, 40, 3), np.uint8)
    out = frames_of([a, b])[1]
    assert np.mean(out != sharpen(b, 1.0)) < 0.01
    still = frames_of([a, a, a])
    assert np.array_equal(still[0], still[2])


def test_keeps_the_stage_contract():
    check_stage(create(budget_ms=8))
    check_stage(SharpenStage(1.0), size=(2, 2))
