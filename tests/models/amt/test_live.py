from itertools import pairwise

import numpy as np
import pytest
import torch

from limner.engine.errors import DeviceError
from limner.engine.testing import check_stage
from limner.engine.types import Frame
from limner.models.amt.live import MARGIN, Box, LiveAMT, encode, fade, follow, grown, moving, recentred
from limner.models.amt.network import AMT
from limner.models.interpolators.amt import AmtStage


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return AMT("amt_s").eval()


def scene(shift, size=288, box=(110, 120, 170, 190)):
    """A background that never changes; in `box` the same pattern slides, two periods wide so that the mean stays."""
    y, x = np.mgrid[:size, :size]
    pattern = np.stack([128 + 100 * np.sin(2 * np.pi * x / 35 + c) * np.cos(y / 23 - c) for c in range(3)], -1)
    top, left, bottom, right = box
    out = pattern.copy()
    out[top:bottom, left:right] = np.roll(pattern, 40 + shift, axis=1)[top:bottom, left:right]
    return out.astype(np.uint8)


def test_features_of_a_frame_are_computed_once(network):
    live = LiveAMT(network)
    frames = [scene(3 * k) for k in range(4)]
    for a, b in pairwise(frames):
        live.between(a, b, [0.25, 0.5, 0.75])
    assert (live.pairs, live.encoded) == (3, 4)


def test_kept_features_equal_fresh_ones(network):
    kept, fresh = LiveAMT(network), LiveAMT(network)
    frames = [scene(3 * k) for k in range(3)]
    kept.between(frames[0], frames[1], [0.5])
    fresh._box, fresh._mean = kept._box, kept._mean
    got, want = kept.between(frames[1], frames[2], [0.3, 0.7]), fresh.between(frames[1], frames[2], [0.3, 0.7])
    assert kept.encoded == 3 and fresh.encoded == 2
    assert all(np.array_equal(a, b) for a, b in zip(got, want, strict=True))


def test_the_whole_picture_centred_on_its_own_mean_is_the_published_call(network):
    a, b = scene(0, 144, (20, 30, 90, 100)), scene(5, 144, (20, 30, 90, 100))
    live = LiveAMT(network, region=False, drift=0)
    live.between(b, a, [0.5])
    got = live.between(a, b, [0.5])[0]
    x, y = (torch.from_numpy(p).permute(2, 0, 1)[None] / 255 for p in (a, b))
    with torch.inference_mode():
        want = network(x, y, torch.tensor([0.5]))[0].permute(1, 2, 0).numpy() * 255
    moved, whole = moving(a, b), Box(0, 0, 144, 144)
    assert (fade(moved, whole, 144, 144) == 1).all()          # no picture beyond the box, so nothing fades
    assert np.abs(got - np.rint(want)).max() <= 1


def test_brightness_that_drifts_recentres_the_features(network):
    live = LiveAMT(network, region=False)
    frames = [np.clip(scene(2 * k, 144, (20, 30, 90, 100)).astype(int) + 4 * k, 0, 255).astype(np.uint8) for k in range(3)]
    live.between(frames[0], frames[1], [0.5])
    live.between(frames[1], frames[2], [0.5])
    assert live.encoded == 4


def test_outside_the_moving_box_pixels_are_the_frames_own(network):
    a, b = scene(0), scene(6)
    out = LiveAMT(network).between(a, b, [0.5])[0]
    box = grown(moving(a, b), *a.shape[:2])
    assert box.area < 0.4 * a.shape[0] * a.shape[1]
    outside = np.ones(a.shape[:2], bool)
    outside[box.top:box.bottom, box.left:box.right] = False
    assert np.array_equal(out[outside], a[outside])


def test_the_box_has_no_seam(network):
    """An untrained network is off by far more than a trained one: even then nothing shows where its picture begins."""
    a, b = scene(0), scene(6)
    out = LiveAMT(network).between(a, b, [0.5])[0].astype(int)
    box = grown(moving(a, b), *a.shape[:2])
    error = np.abs(out - a)
    assert error[box.top + 8:box.bottom - 8, box.left + 8:box.right - 8].max() > 20
    edge = error[box.top - 1:box.top + 2, box.left:box.right], error[box.top:box.bottom, box.left - 1:box.left + 2]
    assert max(e.max() for e in edge) <= 255 * 2 / MARGIN


def test_a_still_pair_costs_nothing(network):
    live = LiveAMT(network)
    a = scene(0)
    b = a ^ 1
    out = live.between(a, b, [0.25, 0.75])
    assert live.pairs == 0 and np.array_equal(out[0], a) and np.array_equal(out[1], b)


def test_the_box_is_kept_while_it_fits_and_shrinks_in_time(network):
    class Free(LiveAMT):
        def _encode(self, picture):
            self.encoded += 1

    live = Free(network)
    wide, narrow = Box(20, 20, 250, 250), Box(120, 120, 160, 160)
    first = live._choose(wide, 288, 288)
    assert live._choose(narrow, 288, 288) == first
    for _ in range(30):
        last = live._choose(narrow, 288, 288)
    assert last == grown(narrow, 288, 288)
    assert live._choose(wide, 288, 288).holds(wide)


@pytest.mark.parametrize("box", [Box(0, 0, 5, 5), Box(200, 250, 288, 288), Box(100, 90, 180, 230), Box(0, 0, 288, 288)])
def test_grown_boxes_stay_inside_and_hold_what_moves(box):
    outer = grown(box, 288, 288)
    assert outer.holds(box) and Box(0, 0, 288, 288).holds(outer)
    height, width = outer.bottom - outer.top, outer.right - outer.left
    assert min(height, width) >= 128 and all(side % 16 == 0 or side == 288 for side in (height, width))
    weight = fade(box, outer, 288, 288)[..., 0]
    inner = weight[box.top - outer.top:box.bottom - outer.top, box.left - outer.left:box.right - outer.left]
    assert (inner == 1).all()
    assert outer.top == 0 or weight[0].max() <= 1 / MARGIN
    assert outer.right == 288 or weight[:, -1].max() <= 1 / MARGIN


def test_a_cut_or_an_interrupt_drops_what_was_kept(network):
    stage = AmtStage(50, LiveAMT(network))
    stage.push(Frame(scene(0), 0, 3600, 0))
    stage.push(Frame(scene(3), 3600, 3600, 0))
    assert stage.live._kept is not None
    stage.push(Frame(scene(6), 7200, 3600, 0, generation=1))
    assert stage.live._kept is None and stage.made == 1


def test_whole_pictures_are_ready_before_the_first_pair(network):
    """As on a GPU: all steps have run for a size once, and leave nothing behind."""
    stage = AmtStage(50, LiveAMT(network, region=False))
    stage.push(Frame(scene(0, 160), 0, 3600, 0))
    live = stage.live
    assert live._shape == (160, 160) and list(live._drawers) == [1]
    assert (live.encoded, live.pairs, live._kept, live._mean) == (0, 0, None, None)
    drawer = live._drawers[1]
    out = stage.push(Frame(scene(3, 160), 3600, 3600, 0))
    assert live._drawers == {1: drawer} and live.pairs == 1
    want = LiveAMT(network, region=False).between(scene(0, 160), scene(3, 160), [0.5])[0]
    assert np.array_equal(out[0].pixels, want)


def test_another_size_begins_the_steps_anew(network):
    live = LiveAMT(network, region=False)
    for side in (144, 160, 144):
        a, b = scene(0, side), scene(4, side)
        want = LiveAMT(network, region=False).between(a, b, [0.25, 0.5])
        live.forget()
        assert all(map(np.array_equal, live.between(a, b, [0.25, 0.5]), want))


def test_a_picture_after_another_equals_the_pair(network):
    """Two streams in one call, one of which stands still; sides that need padding."""
    moves, stays = [scene(0, 200), scene(4, 200)], [scene(1, 200)] * 2
    means = torch.tensor([float(moves[0].mean()) / 255, float(stays[0].mean()) / 255])
    stacks = [torch.from_numpy(np.stack(each)) for each in zip(moves, stays, strict=True)]
    got, *after = follow(network, stacks[1].permute(0, 3, 1, 2), means, torch.full((2, 1), 0.5), *encode(network, stacks[0], means))
    live = LiveAMT(network, region=False, drift=1)
    live._mean = float(means[0])
    want = live.between(*moves, [0.5])[0]
    apart = np.abs(got[0, 0].permute(1, 2, 0).numpy().astype(int) - want)
    assert apart.max() <= 1 and (apart > 0).mean() < 0.001           # float32 rounding of a batch on a rounding edge
    assert (want != moves[1]).mean() > 0.02 and np.array_equal(got[1, 0].permute(1, 2, 0), stays[1])
    for one, other in zip(after, encode(network, stacks[1], means), strict=True):
        assert torch.equal(one, other)


def test_maps_are_centred_anew_without_their_picture(network):
    pictures = torch.from_numpy(scene(0, 200)[None])
    first, second = (encode(network, pictures, torch.tensor([mean])) for mean in (0.3, 0.45))
    for got, want in zip(recentred(network, first, 0.15), second, strict=True):
        torch.testing.assert_close(got, want, atol=1e-4, rtol=1e-4)
    assert (first[1] - second[1]).abs().max() > 0.01


def test_memory_that_runs_out_is_one_line(network, monkeypatch):
    def full(*_):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")

    live = LiveAMT(network)
    monkeypatch.setattr(live, "encode", full)
    live._encoder = live._recorded(live.encode)
    with pytest.raises(DeviceError, match="not enough memory"):
        live.between(scene(0), scene(3), [0.5])


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device is usable here")
def test_a_gpu_gives_the_cpus_pictures():
    """A running stream, so that features outlive the recording that made them."""
    torch.manual_seed(0)
    here, there = LiveAMT(AMT(), region=False), LiveAMT(AMT(), "cuda:0")
    assert LiveAMT(AMT()).region and not there.region
    there.network.load_state_dict(here.network.state_dict())
    frames = [scene(3 * k) for k in range(4)]
    for a, b in pairwise(frames):
        for got, want in zip(there.between(a, b, [0.3, 0.7]), here.between(a, b, [0.3, 0.7]), strict=True):
            # TF32 in convolutions, and flows that it moves: untrained, most of the picture still agrees
            assert np.abs(got.astype(int) - want).mean() < 1


def test_keeps_the_stage_contract(network):
    check_stage(AmtStage(50, LiveAMT(network)), frames=4)
