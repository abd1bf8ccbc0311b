"""Paste and colour in tensors: against the paste of the animators, the kernels' twins and the painter's colour."""

import numpy as np
import pytest
import torch

from limner.cuda import reference
from limner.engine.types import Frame
from limner.models import paste, planes
from limner.models.dinet import crop
from limner.models.face.colour import to_picture
from limner.models.wav2lip.seat import REPAINTED, face_windows
from tests.models import faces

gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device is usable here")
DEVICES = ["cpu", pytest.param("cuda:0", marks=[pytest.mark.gpu, gpu])]


def upload(device="cpu"):
    return lambda array: torch.from_numpy(array).to(device)


def dinet(mouth, size=256):
    frames, marks = faces.moving(1, size)
    points = marks[0, list(crop.MULTI_PIE), :2]
    window = crop.crop_window(points, crop.radius(points[None]))
    return frames[0], marks[0], window, crop.picture_size(mouth), crop.repainted(mouth)


def wav2lip(size=256):
    frames, marks = faces.moving(1, size)
    return frames[0], marks[0], face_windows(marks)[0], (96, 96), REPAINTED


CASES = {"dinet64": lambda: dinet(64), "dinet256": lambda: dinet(256, 512), "wav2lip": wav2lip}


@pytest.fixture(scope="module", params=CASES)
def seat(request):
    """A source frame, its patch, and a drawing of it with a cast."""
    frame, marks, window, shape, square = CASES[request.param]()
    patch = paste.prepare(frame, marks, window, shape, square)
    drawing = paste.look(frame, window, shape).astype(np.float32) * np.float32([0.9, 1, 1.05]) + np.float32([12, -8, 5])
    return frame, patch, drawing.clip(0, 255)


def drawn(*drawings):
    return torch.from_numpy(np.stack(drawings)).permute(0, 3, 1, 2) / 255


def together(seats, *opacities, device="cpu"):
    """What `planes` takes besides the drawings."""
    return *map(torch.cat, zip(*map(planes.tensors, seats), strict=True)), torch.tensor(opacities, device=device)


def pasted(frame, patch, drawing, opacity, device="cpu"):
    laid = together([planes.seat(frame, patch, upload(device))], opacity, device=device)
    return planes.pasted(drawn(drawing).to(device), *laid)[0].permute(1, 2, 0).cpu().numpy()


@pytest.mark.parametrize("opacity", [1.0, 0.4])
@pytest.mark.parametrize("device", DEVICES)
def test_equals_the_paste_of_the_animators(seat, opacity, device):
    frame, patch, drawing = seat
    want = paste.blend(frame, patch, drawing, opacity)
    apart = np.abs(pasted(frame, patch, drawing, opacity, device).astype(int) - want)
    assert (want != frame).mean() > 0.02
    # OpenCV rounds places to 1/32 px: up to 1/64 px times the steepest slope of the picture.
    assert apart.max() <= 3 and apart.mean() < 0.02


def test_equals_the_kernels_twin(seat):
    """Which rounds no places, but holds the mask in single precision: a level where a value lies on a rounding edge."""
    frame, patch, drawing = seat
    surround, want = patch.surround[..., 0], frame.copy()
    offset = reference.match(drawing, patch.seen, surround, reference.spread(surround))
    reference.blend(want, drawing, offset, patch.mask[..., 0], patch.affine, patch.top, patch.left)
    apart = np.abs(pasted(frame, patch, drawing, 1.0).astype(int) - want)
    assert apart.max() <= 1 and (apart > 0).mean() < 0.005


def test_outside_the_mask_the_frame_is_its_own(seat):
    frame, patch, drawing = seat
    got = pasted(frame, patch, drawing, 1.0)
    height, width = patch.mask.shape[:2]
    inside = np.zeros(frame.shape[:2], bool)
    inside[patch.top:patch.top + height, patch.left:patch.left + width] = patch.mask[..., 0] > 0
    assert np.array_equal(got[~inside], frame[~inside])
    assert np.array_equal(pasted(frame, patch, drawing, 0.0), frame)


def test_frames_together_equal_frames_alone(seat):
    """Another frame, another drawing and another opacity in one call."""
    frame, patch, drawing = seat
    turned, other = np.ascontiguousarray(frame[:, ::-1]), 255 - drawing
    one, two = planes.seat(frame, patch, upload()), planes.seat(turned, patch, upload())
    both = planes.planes(drawn(drawing, other), *together([one, two], 1.0, 0.5))
    alone = [planes.planes(drawn(d), *together([s], o)) for d, s, o in ((drawing, one, 1.0), (other, two, 0.5))]
    assert (both.int() - torch.cat(alone).int()).abs().max() <= 1 and not torch.equal(both[0], both[1])


def test_a_face_without_a_surround_is_matched_to_nothing(seat):
    frame, patch, drawing = seat
    bare = paste.Patch(patch.top, patch.left, patch.mask, patch.original, patch.affine, patch.seen, np.zeros_like(patch.surround))
    apart = np.abs(pasted(frame, bare, drawing, 1.0).astype(int) - paste.blend(frame, bare, drawing))
    assert apart.max() <= 3 and apart.mean() < 0.02


def test_drawings_that_do_not_divide_are_refused(seat):
    frame, patch, drawing = seat
    with pytest.raises(ValueError, match="do not divide into"):
        pasted(frame, patch, drawing[:-3], 1.0)


@pytest.mark.parametrize("device", DEVICES)
def test_i420_equals_the_kernels_twin_to_the_bit(device):
    rng = np.random.default_rng(1)
    for count, height, width in [(1, 288, 512), (3, 1, 1), (2, 33, 20), (1, 20, 33), *rng.integers(1, 40, (30, 3)).tolist()]:
        rgb = rng.integers(0, 256, (count, height, width, 3), np.uint8)
        got = planes.i420(torch.from_numpy(rgb).to(device).permute(0, 3, 1, 2))
        assert got.dtype == torch.uint8 and np.array_equal(got.cpu(), reference.colour(rgb)[0])


def test_i420_equals_the_painters_colour_to_the_bit():
    """Frames in silence are coloured there: nothing may change when speech begins."""
    rgb = np.random.default_rng(2).integers(0, 256, (64, 48, 3), np.uint8)
    assert np.array_equal(planes.i420(torch.from_numpy(rgb)[None].permute(0, 3, 1, 2))[0], to_picture(Frame(rgb, 0, 0, 0)).planes)
