from itertools import pairwise

import pytest

from limner.models.restoration.governor import CONFIDENCE, PATIENCE, RETRY, Governor, Mode


def run(governor, whole, frames):
    """Frames on a machine where a whole face costs `whole`; returns the mode of each."""
    modes = []
    for _ in range(frames):
        plan = governor.plan()
        modes.append(plan.mode)
        if plan.compute:
            governor.spent(whole * {Mode.FULL: 1, Mode.MOUTH: 0.4, Mode.ALTERNATE: 0.4}[plan.mode])
    return modes


@pytest.mark.parametrize(("whole", "mode"), [(7, Mode.FULL), (15, Mode.MOUTH), (30, Mode.ALTERNATE), (60, Mode.OFF)])
def test_the_richest_mode_within_the_budget_is_found_and_kept(whole, mode):
    modes = run(Governor(8, mouth=0.4), whole, 100)
    assert modes[0] is Mode.FULL and set(modes[10:]) == {mode}


def test_without_a_mouth_mode_it_goes_from_whole_to_every_second_frame():
    governor = Governor(8)
    governor.settle(12)
    assert governor.mode is Mode.ALTERNATE
    assert [governor.plan().compute for _ in range(6)] == [True, False] * 3


def test_without_a_budget_everything_is_restored():
    modes = run(Governor(None, mouth=0.4), 1e9, 20)
    assert set(modes) == {Mode.FULL}


def test_one_slow_frame_changes_nothing():
    governor = Governor(8, mouth=0.4)
    run(governor, 5, 10)
    governor.plan()
    governor.spent(30)
    assert PATIENCE > 1 and governor.mode is Mode.FULL


def test_stepping_up_takes_lasting_room():
    governor = Governor(8, mouth=0.4)
    run(governor, 15, 20)
    assert governor.mode is Mode.MOUTH
    modes = run(governor, 5, 2 * CONFIDENCE)
    change = modes.index(Mode.FULL)
    assert CONFIDENCE <= change <= CONFIDENCE + 12            # the running mean has to follow first
    assert set(modes[change:]) == {Mode.FULL}


def test_a_cost_at_the_edge_does_not_make_it_swing():
    governor = Governor(8, mouth=0.4)
    modes = [m for whole in (7.9, 8.2) * 100 for m in run(governor, whole, 1)]
    assert sum(a is not b for a, b in pairwise(modes)) <= 1


def test_switched_off_it_is_tried_again_only_where_there_is_hope():
    for whole, tried in ((50, True), (500, False)):
        governor = Governor(8, mouth=0.4)
        governor.settle(whole)
        assert governor.mode is Mode.OFF
        modes = run(governor, whole, RETRY + 5)
        assert (Mode.ALTERNATE in modes) is tried


def test_settling_starts_in_the_mode_that_fits():
    for whole, mode in ((5, Mode.FULL), (15, Mode.MOUTH), (35, Mode.ALTERNATE), (80, Mode.OFF)):
        governor = Governor(8, mouth=0.4)
        governor.settle(whole)
        assert governor.mode is mode
