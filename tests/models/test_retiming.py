import itertools

import numpy as np
import pytest

from limner.engine.errors import ContractError
from limner.engine.testing import check_stage
from limner.engine.types import Frame
from limner.models.retiming import RetimingStage, is_cut, thumbnail

SCENE = np.kron(np.random.default_rng(3).integers(0, 256, (8, 8, 3), np.uint8), np.ones((8, 8, 1), np.uint8))


class Recording(RetimingStage):
    """Keeps what it is asked, and answers with pictures that hold their own time in percent."""

    def __init__(self, fps, **more):
        super().__init__(fps, **more)
        self.asked = []

    def between(self, first, second, times):
        self.asked.append((int(first[0, 0, 0]), int(second[0, 0, 0]), list(times)))
        return [np.full_like(first, round(100 * t)) for t in times]


def frame(pts, value, *, duration=3600, generation=0, scene=SCENE, alpha=None):
    pixels = (scene // 2 + 64).astype(np.uint8)
    pixels[0, 0, 0] = value
    return Frame(pixels, pts, duration, pts, generation=generation, alpha=alpha)


def run(stage, frames):
    out = list(itertools.chain.from_iterable(stage.push(f) for f in frames))
    return [*out, *stage.flush()]


@pytest.mark.parametrize(("rate_in", "rate_out"), [(25, 30), (25, 50), (25, 60), (12.5, 25), (12.5, 50), (30, 60), (25, 24)])
def test_output_is_an_exact_grid_of_the_whole_length(rate_in, rate_out):
    duration, step = int(90_000 / rate_in), 90_000 // rate_out
    start = 1234
    frames = [frame(start + k * duration, k, duration=duration) for k in range(25)]
    out = run(Recording(rate_out), frames)
    assert [f.pts for f in out] == list(range(start, start + 25 * duration, step))
    assert {f.duration for f in out} == {step}
    for f in out:
        k, rest = divmod(f.pts - start, duration)
        if rest == 0:
            assert f.drawn == "key" and f.pixels[0, 0, 0] == k
        elif k < 24:
            assert f.drawn == "between" and f.pixels[0, 0, 0] == round(100 * rest / duration)
        else:
            assert f.drawn == "repeat" and f.pixels[0, 0, 0] == 24


def test_sixty_from_twenty_five_is_a_twelve_to_five_pattern():
    stage = Recording(60)
    counts = [len(stage.push(frame(k * 3600, k))) for k in range(11)]
    assert counts[0] == 1 and sum(counts[1:6]) == sum(counts[6:11]) == 12
    assert [len(t) for _, _, t in stage.asked] == [2, 2, 3, 2, 2] * 2


def test_several_instants_of_a_pair_are_asked_for_at_once():
    stage = Recording(50)
    run(stage, [frame(0, 0, duration=7200), frame(7200, 1, duration=7200)])
    assert stage.asked == [(0, 1, [0.25, 0.5, 0.75])] and stage.made == 3


def test_jittered_and_dropped_frames_leave_the_grid_exact():
    rng = np.random.default_rng(5)
    instants = np.cumsum(3600 + rng.integers(-900, 900, 40))
    kept = [int(t) for i, t in enumerate(instants) if i % 7]
    out = run(Recording(50), [frame(t, i) for i, t in enumerate(kept)])
    assert [f.pts for f in out] == list(range(kept[0], kept[-1] + 3600, 1800))


def test_each_instant_lies_between_its_own_neighbours():
    stage = Recording(50)
    run(stage, [frame(0, 0), frame(3000, 1), frame(7300, 2)])
    assert stage.asked == [(0, 1, [1800 / 3000]), (1, 2, [600 / 4300, 2400 / 4300, 4200 / 4300])]


def test_a_scene_cut_is_bridged_by_repeating():
    stage = Recording(50)
    other = 255 - SCENE
    out = run(stage, [frame(0, 0), frame(3600, 1, scene=other), frame(7200, 2, scene=other)])
    assert [(f.drawn, f.pixels[0, 0, 0]) for f in out[:3]] == [("key", 0), ("repeat", 0), ("key", 1)]
    assert [a[:2] for a in stage.asked] == [(1, 2)]


def test_nothing_stale_is_shown_after_an_interrupt():
    stage = Recording(50)
    frames = [frame(0, 0), frame(3600, 1), frame(7200, 2, generation=1), frame(10_800, 3, generation=1)]
    out = run(stage, frames)
    assert [a[:2] for a in stage.asked] == [(0, 1), (2, 3)]
    assert [f.pts for f in out] == [0, 1800, 3600, 7200, 9000, 10_800, 12_600]
    assert [f.generation for f in out] == [0, 0, 0, 1, 1, 1, 1]


def test_a_long_hole_or_another_size_is_bridged_by_repeating():
    stage = Recording(25)
    small = frame(36_000 + 7200, 2)
    small = Frame(small.pixels[:32], small.pts, 3600, 0)
    out = run(stage, [frame(0, 0), frame(36_000, 1), small])
    assert stage.asked == []
    assert [f.drawn for f in out] == ["key"] + ["repeat"] * 9 + ["key", "repeat", "key"]


def test_alpha_is_mixed_with_the_pictures():
    stage = Recording(50)
    shapes = [np.full((64, 64), v, np.uint8) for v in (0, 200)]
    out = run(stage, [frame(0, 0, alpha=shapes[0]), frame(3600, 1, alpha=shapes[1])])
    assert [int(f.alpha[0, 0]) for f in out] == [0, 100, 200, 200]


def test_an_animator_may_reuse_its_memory():
    buffer = frame(0, 7).pixels
    stage = Recording(50)
    first = stage.push(Frame(buffer, 0, 3600, 0))
    buffer[0, 0, 0] = 9
    stage.push(Frame(buffer, 3600, 3600, 0))
    assert first[0].pixels[0, 0, 0] == 7 and stage.asked == [(7, 9, [0.5])]


def test_pts_that_do_not_rise_are_refused():
    stage = Recording(50)
    stage.push(frame(3600, 0))
    with pytest.raises(ContractError, match="pts must rise"):
        stage.push(frame(3600, 1))


@pytest.mark.parametrize(("fps", "duration"), [(50, 3600), (25, 7200)])
def test_keeps_the_stage_contract(fps, duration):
    check_stage(Recording(fps), duration=duration)


def test_only_another_scene_is_a_cut():
    rng = np.random.default_rng(8)
    smooth = np.kron(rng.integers(0, 256, (6, 6, 3)), np.ones((40, 40, 1))).astype(np.uint8)
    still = thumbnail(smooth)
    assert not is_cut(still, thumbnail(np.roll(smooth, 4, axis=1)))                        # motion
    assert not is_cut(still, thumbnail((smooth * 0.9).astype(np.uint8)))                   # the light changes
    noise = rng.integers(-20, 20, smooth.shape)
    assert not is_cut(still, thumbnail((smooth + noise).clip(0, 255).astype(np.uint8)))
    assert is_cut(still, thumbnail(rng.permutation(smooth.reshape(6, 40, -1)).reshape(smooth.shape)))
    assert is_cut(still, thumbnail(255 - smooth))
