import numpy as np
import pytest

from limner.models import paste
from limner.models.dinet import crop
from tests.models import faces

SHAPE, SQUARE = crop.picture_size(128), crop.repainted(128)


@pytest.fixture(scope="module")
def seat():
    frames, marks = faces.moving(1)
    points = marks[0, list(crop.MULTI_PIE), :2]
    window = crop.crop_window(points, crop.radius(points[None]))
    return frames[0], marks[0], window, paste.prepare(frames[0], marks[0], window, SHAPE, SQUARE)


def test_look_at_whole_pixels_is_the_picture():
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 256, (40, 50, 3), np.uint8)
    assert np.array_equal(paste.look(picture, paste.Window(7, 5, 20, 30), (30, 20)), picture[5:35, 7:27])


def test_look_averages_when_it_shrinks():
    picture = np.zeros((64, 64, 3), np.uint8)
    picture[::2] = 200
    small = paste.look(picture, paste.Window(0, 0, 64, 64), (16, 16))
    assert np.abs(small[1:-1].astype(int) - 100).max() <= 1


def test_look_beyond_the_edge_repeats_it():
    picture = np.full((20, 20, 3), 90, np.uint8)
    assert np.all(paste.look(picture, paste.Window(-10, -10, 40, 40), (20, 20)) == 90)


def test_source_pasted_on_itself_changes_next_to_nothing(seat):
    frame, _, window, patch = seat
    drawing = paste.look(frame, window, SHAPE).astype(np.float32)
    out = paste.blend(frame, patch, drawing)
    assert np.abs(out.astype(int) - frame).mean() < 0.2                  # resampling there and back


def test_colour_cast_of_the_network_is_taken_out(seat):
    frame, _, window, patch = seat
    drawing = paste.look(frame, window, SHAPE).astype(np.float32)
    cast = drawing * np.float32([0.9, 1, 1.05]) + np.float32([12, -8, 5])
    plain, out = paste.blend(frame, patch, drawing), paste.blend(frame, patch, cast)
    inside = np.s_[patch.top:patch.top + patch.mask.shape[0], patch.left:patch.left + patch.mask.shape[1]]
    apart = (cast - drawing).mean((0, 1))
    left = out[inside].astype(float) - plain[inside]
    assert np.abs(left.mean((0, 1))).max() < 0.25 * np.abs(apart).max()


def test_outside_the_repainted_square_nothing_changes(seat):
    frame, _, window, patch = seat
    out = paste.blend(frame, patch, np.zeros((*SHAPE, 3), np.float32))
    changed = np.argwhere((out != frame).any(2))
    top, bottom, left, right = SQUARE
    assert len(changed)
    assert changed[:, 0].min() >= window.top + top * window.height - 1
    assert changed[:, 0].max() <= window.top + bottom * window.height + 1
    assert changed[:, 1].min() >= window.left + left * window.width - 1
    assert changed[:, 1].max() <= window.left + right * window.width + 1


def test_mask_has_no_visible_edge_and_covers_the_lips(seat):
    _, marks, _, patch = seat
    mask = patch.mask[..., 0]
    assert max(np.abs(np.diff(mask, axis=0)).max(), np.abs(np.diff(mask, axis=1)).max()) < 0.25
    assert max(mask[0].max(), mask[-1].max(), mask[:, 0].max(), mask[:, -1].max()) < 0.15
    lips = np.round(marks[[13, 14, 61, 291, 0, 17], :2]).astype(int) - [patch.left, patch.top]
    assert min(mask[y, x] for x, y in lips) > 0.85


def test_opacity_mixes(seat):
    frame, _, _, patch = seat
    drawing = np.zeros((*SHAPE, 3), np.float32)
    assert np.array_equal(paste.blend(frame, patch, drawing, 0), frame)
    half, full = (paste.blend(frame, patch, drawing, share).astype(int) for share in (0.5, 1.0))
    assert np.abs((frame + full) / 2 - half).max() <= 1


def test_picture_given_is_left_alone(seat):
    frame, _, _, patch = seat
    before = frame.copy()
    paste.blend(frame, patch, np.zeros((*SHAPE, 3), np.float32))
    assert np.array_equal(frame, before)
