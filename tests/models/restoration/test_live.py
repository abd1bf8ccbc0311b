import itertools

import cv2
import numpy as np
import pytest

from limner.engine.testing import check_stage
from limner.engine.types import Frame
from limner.models.restoration import align
from limner.models.restoration.governor import Mode
from limner.models.restoration.live import MOUTH, RestorationStage, Restorer

FIVE = align.FFHQ / 2 + (30, 20)                 # a face 256 px wide
HEIGHT, WIDTH = 300, 320


def picture(seed=0, noise=0.0):
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    smooth = np.stack([128 + 60 * np.sin(x / (9 + c) + c) * np.cos(y / 11) for c in range(3)], -1)
    rng = np.random.default_rng(seed)
    return np.clip(smooth + noise * rng.standard_normal(smooth.shape), 0, 255).astype(np.uint8)


def brighten(face):
    return np.clip(face.astype(int) + 40, 0, 255).astype(np.uint8)


def part(face):
    top, left, bottom, right = MOUTH
    return face[top:bottom, left:right]


def detail(face):
    """Unsharp: amplifies noise, as a network that invents detail does."""
    return cv2.addWeighted(face, 3, cv2.GaussianBlur(face, (0, 0), 3), -2, 0)


class Costs:
    """A clock that the restorer itself moves on."""

    def __init__(self, whole_ms):
        self.now, self.whole_ms = 0, whole_ms

    def now_ns(self):
        return int(self.now)

    def restorer(self, share=0.4, draw=brighten):
        def run(face, cost):
            self.now += cost * 1e6
            return draw(face)

        return Restorer(lambda f: run(f, self.whole_ms), mouth=lambda f: part(run(f, self.whole_ms * share)), mouth_cost=share)


def stage(draw=brighten, **more):
    made = RestorationStage(Restorer(draw, mouth=lambda f: part(draw(f)), mouth_cost=0.4), find=lambda _: FIVE, **more)
    return made


def show(made, frames):
    return [made.push(Frame(p, k * 3600, 3600, k))[0] for k, p in enumerate(frames)]


def in_picture(box):
    """Middle of a box of the aligned face, as row and column of the picture."""
    alignment = align.align(FIVE)
    top, left, bottom, right = box
    x, y = alignment.to_picture @ ((left + right) / 2, (top + bottom) / 2, 1)
    return round(y), round(x)


def test_the_face_is_restored_and_nothing_else():
    p = picture()
    out = show(stage(), [p])[0].pixels
    mask = align.feather(align.align(FIVE), HEIGHT, WIDTH)
    outside = np.ones((HEIGHT, WIDTH), bool)
    outside[mask.box[0]:mask.box[2], mask.box[1]:mask.box[3]] = False
    assert outside.any() and np.array_equal(out[outside], p[outside])
    y, x = in_picture((0, 0, 512, 512))
    assert np.abs(out[y - 20:y + 20, x - 20:x + 20].astype(int) - p[y - 20:y + 20, x - 20:x + 20] - 40).max() <= 6


def test_pts_and_everything_else_pass_through():
    frame = Frame(picture(), 7200, 3600, 5, "between", 3)
    out = stage().push(frame)
    assert len(out) == 1
    assert (out[0].pts, out[0].duration, out[0].captured_ns, out[0].drawn, out[0].generation) == (7200, 3600, 5, "between", 3)


def test_a_frame_without_a_face_is_left_alone():
    made = RestorationStage(Restorer(brighten), find=lambda _: None)
    frame = Frame(picture(), 0, 3600, 0)
    assert made.push(frame)[0] is frame


def test_the_mode_follows_the_measured_cost():
    for cost, mode in ((5, Mode.FULL), (15, Mode.MOUTH), (30, Mode.ALTERNATE), (100, Mode.OFF)):
        costs = Costs(cost)
        made = RestorationStage(costs.restorer(), budget_ms=8, find=lambda _: FIVE, now_ns=costs.now_ns)
        made.measure()
        show(made, [picture()] * 12)
        assert made.governor.mode is mode
        assert made.counts[mode] == 12
        assert costs.now / 1e6 <= 2 * cost + 12 * 8 + cost     # the two that measured, then the budget


def test_changes_of_mode_fade():
    """Whole face -> mouth -> off -> on: no step between two frames is more than a share of what is added."""
    costs = Costs(5)
    made = RestorationStage(costs.restorer(), budget_ms=8, find=lambda _: FIVE, now_ns=costs.now_ns)
    p = picture()
    brow = in_picture((120, 200, 160, 320))
    mouth = in_picture(MOUTH)
    levels = []
    for k, mode in enumerate([Mode.FULL] * 5 + [Mode.MOUTH] * 40 + [Mode.OFF] * 60 + [Mode.FULL] * 30):
        made.governor.mode = mode
        out = made.push(Frame(p, k * 3600, 3600, k))[0].pixels
        levels.append([int(out[y, x].sum()) / 3 for y, x in (brow, mouth)])
    levels = np.array(levels)
    assert np.abs(np.diff(levels, axis=0)).max() <= 40 / 6                 # FALL and RISE, with rounding
    base = levels[104]
    np.testing.assert_allclose(levels[4] - base, 40, atol=4)               # whole face
    np.testing.assert_allclose(levels[44] - base, (0, 40), atol=4)         # mouth only
    np.testing.assert_allclose(levels[-1] - base, 40, atol=4)              # back on


def test_switched_off_it_costs_nothing():
    costs = Costs(500)
    made = RestorationStage(costs.restorer(), budget_ms=8, find=lambda _: FIVE, now_ns=costs.now_ns)
    made.measure()
    spent = costs.now
    frame = Frame(picture(), 0, 3600, 0)
    assert made.push(frame)[0] is frame and costs.now == spent


@pytest.mark.parametrize("mode", [Mode.FULL, Mode.MOUTH, Mode.ALTERNATE])
def test_a_still_face_is_no_less_steady_than_the_camera(mode):
    """Mean change between frames of a still, noisy face; restoring detail must not make it flicker."""
    made = stage(detail)
    frames = [picture(seed, noise=2.0) for seed in range(14)]
    made.governor.plan()
    shown = []
    for k, p in enumerate(frames):
        made.governor.mode = mode
        shown.append(made.push(Frame(p, k * 3600, 3600, k))[0].pixels)
    y, x = in_picture(MOUTH)

    def flicker(sequence):
        cut = [f[y - 15:y + 15, x - 25:x + 25].astype(float) for f in sequence[4:]]
        return np.mean([np.abs(b - a).mean() for a, b in itertools.pairwise(cut)])

    single = [align.paste(p, detail(align.crop(p, align.align(FIVE))), align.align(FIVE)) for p in frames]
    assert flicker(single) > 1.2 * flicker(frames)            # what the network does frame by frame
    assert flicker(shown) <= flicker(frames)


def test_what_moves_is_not_held_back():
    made = stage()
    a, b = picture(), np.roll(picture(), 12, axis=1)
    out = show(made, [a, a, b])[2].pixels
    fresh = show(stage(), [b])[0].pixels
    y, x = in_picture(MOUTH)
    moved = np.abs(a.astype(int) - b).max(axis=2)[y - 15:y + 15, x - 25:x + 25] > 40
    difference = np.abs(out.astype(int) - fresh)[y - 15:y + 15, x - 25:x + 25][moved]
    assert difference.mean() < 2


def test_frames_in_between_are_restored_too():
    made = stage()
    p = picture()
    y, x = in_picture(MOUTH)
    gains = []
    for k in range(30):
        made.governor.mode = Mode.ALTERNATE
        out = made.push(Frame(p, k * 3600, 3600, k))[0].pixels
        gains.append(float(out[y, x].mean()) - p[y, x].mean())
    assert min(gains[20:]) > 30 and max(gains[20:]) - min(gains[20:]) <= 2


def test_a_seat_scales_with_the_picture():
    landmarks = np.zeros((478, 2), np.float32)
    landmarks[[468, 473, 1, 61, 291]] = FIVE * 2
    made = RestorationStage(Restorer(brighten))
    made.seat(landmarks, (2 * HEIGHT, 2 * WIDTH))
    p = picture()
    np.testing.assert_array_equal(show(made, [p])[0].pixels, show(stage(), [p])[0].pixels)


def test_the_detector_is_asked_now_and_then_and_its_noise_ignored():
    asked = []
    rng = np.random.default_rng(0)

    def find(_):
        asked.append(1)
        return FIVE + rng.normal(0, 0.2, FIVE.shape)

    made = RestorationStage(Restorer(lambda f: f), every=5, find=find)
    outs = show(made, [picture()] * 11)
    assert len(asked) == 3
    assert all(np.array_equal(o.pixels, outs[0].pixels) for o in outs[6:]) or \
        np.abs(outs[6].pixels.astype(int) - outs[10].pixels).max() <= 1


def test_keeps_the_stage_contract():
    check_stage(stage(), size=(HEIGHT, WIDTH))
