"""The restorer in tensors against the stage's own: what is cut out, remembered and laid back."""

import cv2
import numpy as np
import pytest
import torch

from limner.cuda.lane import Lane
from limner.models.restoration import align, recorded
from limner.models.restoration.governor import Way
from limner.models.restoration.live import MOUTH, WHOLE, Memory, Restorer
from limner.models.restoration.runner import Runner

FIVE = align.FFHQ / 2 + (30, 20)                 # a face 256 px wide, its crop partly outside the picture
SIZE = (300, 270)
SEVERAL = [FIVE, (align.FFHQ - 256) @ np.array([[0.3, 0.1], [-0.1, 0.3]]) + (140, 160)]


def picture(seed=0):
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:SIZE[0], :SIZE[1]]
    smooth = np.stack([128 + 60 * np.sin(x / (19 + c) + c) * np.cos(y / 21) for c in range(3)], -1)
    return np.clip(smooth + 2 * rng.standard_normal(smooth.shape), 0, 255).astype(np.uint8)


def tensor(rgb):
    return torch.from_numpy(np.ascontiguousarray(rgb)).permute(2, 0, 1)[None]


def array(planes):
    return planes[0].permute(1, 2, 0).numpy()


@pytest.mark.parametrize("five", SEVERAL)
@pytest.mark.parametrize("layout", ["ffhq", "arcface"])
def test_a_face_is_cut_out_and_laid_back_as_the_stage_does(five, layout):
    alignment, rgb = align.align(five, layout), picture()
    place = recorded.place(five, SIZE, layout, torch.from_numpy)
    want = align.crop(rgb, alignment)
    got = array(recorded.cropped(tensor(rgb), place.to_picture, align.BORDER))
    # OpenCV rounds places to 1/32 px: up to 1/64 px times the slope, and a level where a value lies on a rounding edge
    assert np.abs(got - want).max() <= 2 and np.abs(got - want).mean() < 0.05
    better = cv2.GaussianBlur(want, (0, 0), 2) // 2 + 60
    want = align.paste(rgb, better, alignment)
    got = array(recorded.pasted(tensor(rgb), tensor(better).float(), place.to_crop, place.inner.float(), place.soft.float()))
    apart = np.abs(got.astype(int) - want)
    assert apart.max() <= 2 and apart.mean() < 0.1 and (got != rgb).mean() > 0.1
    untouched = place.soft[0, 0].numpy() == 0
    assert untouched.mean() > 0.05 and np.array_equal(got[untouched], rgb[untouched])


def face(k):
    """A still face in which a bar moves, with the grain of frame k."""
    rng = np.random.default_rng(k)
    rgb = np.full((512, 512, 3), 120.0) + 40 * np.sin(np.arange(512) / 17)[:, None, None] + rng.standard_normal((512, 512, 3))
    rgb[320:400, 180 + 15 * k:230 + 15 * k] += 60
    return rgb.clip(0, 255).astype(np.uint8)


def better(rgb):
    return cv2.addWeighted(rgb, 1.6, cv2.GaussianBlur(rgb, (0, 0), 3), -0.6, 8)


def part(rgb):
    top, left, bottom, right = MOUTH
    return rgb[top:bottom, left:right]


W, M, R, F = Way.WHOLE, Way.MOUTH, Way.REUSE, Way.WANE


@pytest.mark.parametrize("mouth", [True, False])
@pytest.mark.parametrize("ways", [[W, W, W], [M, M, W, M], [W, M, R, M, R], [W, F, F, F, W], [W, W, R, W, R, F, F]])
@pytest.mark.parametrize("start", [1.0, 0.0])
def test_a_memory_is_the_stages(ways, start, mouth):
    """Every way after every other, from the first frame on; `gentle` where every second one is drawn."""
    memory, kept = Memory(start), tuple(torch.full((1, *shape), 7.0) for shape in recorded.MEMORY)      # left from before
    for k, way in enumerate(ways):
        if way is M and not mouth:
            way = W
        now, gentle = face(k), R in ways
        new, box = (better(now), WHOLE) if way is W else (part(better(now)), MOUTH)
        if way in (W, M):
            want = memory.renew(now, new, box, gentle)
        else:
            want = memory.reuse(now, MOUTH if mouth else WHOLE) if way is R else memory.wane(now)
        numbers = torch.tensor([[float(k > 0), float(gentle and way is not F), start]])
        drawn = tensor(new).float() if way in (W, M) else None
        got, kept = recorded.remembered(tensor(now).float(), drawn, way, mouth, numbers, *kept)
        apart = np.abs(array(got) - want)
        assert apart.max() <= 1 and (apart > 0).mean() < 0.002           # float32 on a rounding edge
        assert k == 0 or not np.array_equal(want, now)


def test_faces_of_several_pictures_go_together():
    """Each with its own place, memory and numbers."""
    class Brighter:
        @staticmethod
        def step(faces):
            return (faces.int() + 30).clamp(0, 255).to(torch.uint8)

    restorer, pictures = Restorer(Brighter()), [picture(seed) for seed in (1, 2)]
    tensors = [(*recorded.place(five, SIZE, "ffhq", torch.from_numpy).tensors(), *(torch.rand(1, *shape) * 99 for shape in recorded.MEMORY))
               for five in SEVERAL]
    numbers = torch.tensor([[1.0, 0.0, 1.0], [0.0, 0.0, 0.5]])
    both = recorded.restored(restorer, W, torch.float32, torch.cat([tensor(each) for each in pictures]), numbers, *map(torch.cat, zip(*tensors, strict=True)))
    for k in range(2):
        alone = recorded.restored(restorer, W, torch.float32, tensor(pictures[k]), numbers[k:k + 1], *tensors[k])
        for got, want in zip(both, alone, strict=True):
            assert (got[k:k + 1].float() - want.float()).abs().max() <= 1e-3
    assert not torch.equal(both[0][0], both[0][1])


def test_a_network_in_half_precision_gives_whole_levels():
    torch.manual_seed(0)
    network = torch.nn.Conv2d(3, 3, 3, padding=1)
    restorer = Restorer(Runner(network.eval(), torch.nn.Conv2d.__call__, Lane()))
    faces = tensor(face(1)).float()
    with torch.inference_mode():
        want, got = (recorded.drawn(restorer, W, dtype, faces) for dtype in (torch.float32, torch.bfloat16))
    # bfloat16 has steps of half a level below mid grey and above it, of inputs and weights as well
    assert got.dtype == torch.float32 and 0 < (got - want).abs().max() <= 3 and torch.equal(got, got.round())
    assert recorded.drawn(restorer, Way.REUSE, torch.float32, faces) is None
