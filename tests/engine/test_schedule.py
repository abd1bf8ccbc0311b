"""What to draw, when to begin, what to give up: decisions without a clock."""

from itertools import pairwise

import pytest

from limner.engine.clock import TICKS, TICKS_PER_MS
from limner.engine.config import Settings
from limner.engine.errors import UsageError
from limner.engine.metrics import Metrics
from limner.engine.schedule import Governor, Schedule, Step, Timing
from limner.engine.testing import FakeAnimator, FakeExtractor

MS = TICKS_PER_MS


class Stage:
    def __init__(self, delay=0, factor=1):
        self.delay, self.factor = delay, factor


def timing(fps=25, stages=(), window=(2, 1), lookahead_ms=60, **settings):
    extractor = FakeExtractor(lookahead=lookahead_ms * MS)
    return Timing.declared(Settings(fps=fps, **settings), extractor, FakeAnimator(window=window), stages)


def schedule(fps=25, stride=1, **more):
    metrics = Metrics()
    declared = timing(fps, **more)
    return Schedule(declared, Governor(declared.duration * stride, has_restorers=False, metrics=metrics), stride, metrics)


@pytest.mark.parametrize(("given", "ms"), [
    ({}, 20 + 60 + 10 + 10 + 5),
    ({"window": (2, 0)}, 95),
    ({"window": (2, 0), "lookahead_ms": 0}, 45),                     # the 20 ms of one chunk of sound
    ({"stages": [Stage(1)]}, 145),
    ({"stages": [Stage(1)], "fps": 50}, 125),
    ({"stages": [Stage(1, factor=2)], "fps": 50}, 145),              # it holds back a frame of 40 ms
    ({"stages": [Stage(1, factor=2), Stage(1)], "fps": 50}, 165),    # the second holds back one of 20 ms
    ({"draw_ms": 30}, 125),
    ({"block_ms": 10, "pacing_ms": 0}, 90),
])  # fmt: skip
def test_latency_is_the_sum_of_what_is_declared(given, ms):
    assert timing(**given).latency == ms * MS


def test_an_animator_may_declare_its_own_budget():
    animator = FakeAnimator(window=(2, 1))
    animator.budget = 33 * MS
    assert Timing.declared(Settings(), FakeExtractor(), animator, ()).latency == 128 * MS


def test_parts_beyond_the_cap_are_refused():
    with pytest.raises(UsageError, match=r"need 265 ms .* more than cap_ms = 250: raise cap_ms or leave a stage out"):
        timing(stages=[Stage(4)])


def test_an_idle_picture_is_begun_just_in_time():
    plan = schedule().plan(-50 * MS)
    assert (plan.pts, plan.start) == (0, -10 * MS)


def test_drawing_begins_earlier_when_it_takes_longer():
    brain = schedule()
    brain.begin(24 * MS)
    assert brain.plan(-50 * MS).start == -30 * MS


@pytest.mark.parametrize("fps", [24, 25, 30, 50, 60])
def test_an_hour_of_plans_is_on_the_grid(fps):
    """No sum of rounded numbers: the last picture of an hour lies exactly where multiplication puts it."""
    brain = schedule(fps)
    brain.begin(3 * MS)
    position = -20 * MS
    for _ in range(3600 * fps):
        plan = brain.plan(position)
        position = plan.start + 3 * MS
        brain.drew(plan, 3 * MS, position)
    assert plan.pts == 3600 * TICKS - brain.timing.duration


def test_what_cannot_be_in_time_is_skipped_and_counted():
    brain = schedule()
    brain.begin(10 * MS)
    assert brain.plan(500 * MS).pts == 520 * MS
    assert brain._metrics.counters["skipped_pictures"] == 13


def test_live_sound_that_comes_no_earlier_is_no_reason_to_skip():
    """A 35 ms draw of live sound is late by what it takes beyond its budget whichever picture is chosen."""
    brain = schedule()
    brain.begin(35 * MS)
    brain.spare = 0
    assert brain.plan(0).pts == 0
    brain.spare = None
    assert brain.plan(0).pts == 40 * MS


def test_interpolators_make_the_pictures_between():
    brain = schedule(50, stride=2)
    first = brain.plan(-50 * MS)
    brain.drew(first, 5 * MS, 0)
    assert brain.plan(-40 * MS).pts == 40 * MS


def test_a_redraw_reaches_the_first_slot_it_can():
    brain = schedule()
    brain.begin(5 * MS)
    assert brain.redraw(81 * MS, busy=False) == 120 * MS
    assert brain.redraw(80 * MS, busy=False) == 80 * MS              # a quarter of a picture late is good enough
    assert brain.redraw(119 * MS, busy=True) == 120 * MS
    brain.begin(30 * MS)
    assert brain.redraw(119 * MS, busy=True) == 160 * MS


def test_slack_is_wanted_only_beyond_the_budget_and_under_the_cap():
    brain = schedule()
    for cost, wanted in ((5, 0), (15, 0), (36, 21)):
        brain.begin(cost * MS)
        assert brain.wanted_slack() == wanted * MS
    brain.begin(1000 * MS)
    assert brain.wanted_slack() == brain.timing.room - brain.timing.duration // 2


def test_look_ahead_is_given_up_only_when_the_cap_leaves_nothing_else():
    brain = schedule()
    brain.spare = 0
    brain.begin(100 * MS)
    assert brain.sacrifice == 0
    brain.begin(200 * MS)
    assert brain.sacrifice == (200 - 10 - 125) * MS
    brain.begin(900 * MS)
    assert brain.sacrifice == brain.timing.lookahead
    brain.spare = None
    assert brain.sacrifice == 0


# Governor


def governor(has_restorers=False, fps=25):
    return Governor(TICKS // fps, has_restorers=has_restorers, metrics=Metrics())


def drive(brain, cost, seconds, now=0, every=40):
    for k in range(round(seconds * 1000 / every)):
        brain.drew(round(cost * MS), now + (k + 1) * every * MS)
    return now + round(seconds * TICKS)


def test_a_fit_machine_gives_nothing_up():
    brain = governor(True)
    drive(brain, 36, 60)
    assert brain.step is Step.FULL
    assert not brain._metrics.counters


@pytest.mark.parametrize(("cost", "step"), [(38, Step.HALF), (45, Step.HALF), (70, Step.HALF), (83, Step.REPEAT),
                                            (200, Step.REPEAT)])  # fmt: skip
def test_steps_by_cost(cost, step):
    brain = governor()
    drive(brain, cost, 10)
    assert brain.step is step
    assert brain._metrics.gauges["governor_step"] == step


def test_restorers_go_first():
    brain = governor(has_restorers=True)
    drive(brain, 60, 0.2)
    assert brain.step is Step.UNRESTORED
    drive(brain, 25, 10)
    assert brain.step is Step.UNRESTORED       # 25 ms without restoration would be 60 with it
    assert brain._metrics.counters["governor_entered_unrestored"] == 1


def test_restoration_comes_back_when_the_machine_is_free_again():
    brain = governor(has_restorers=True)
    now = drive(brain, 60, 0.2)
    now = drive(brain, 25, 5, now)
    drive(brain, 10, 3, now)                   # 10 without, so about 24 with it
    assert brain.step is Step.FULL


def test_one_slow_draw_changes_nothing():
    brain = governor()
    for _ in range(20):
        drive(brain, 200, 0.16)
        drive(brain, 5, 0.04)
    assert brain.step is Step.FULL


def test_recovery_waits_two_seconds():
    brain = governor()
    now = drive(brain, 60, 1)
    assert brain.step is Step.HALF
    now = drive(brain, 10, 1.9, now)
    assert brain.step is Step.HALF
    drive(brain, 10, 0.3, now)
    assert brain.step is Step.FULL
    assert brain._metrics.counters["governor_down"] == 1


def test_coming_and_going_is_damped():
    """A load that returns each time the step is left: the stay doubles instead of flapping every two seconds."""
    brain, now, moves = governor(), 0, []
    for _ in range(3000):
        now += 40 * MS
        before = brain.step
        brain.drew((60 if brain.step is Step.FULL else 20) * MS, now)
        if brain.step < before:
            moves.append(now)
    stays = [b - a for a, b in pairwise(moves)]
    assert len(moves) <= 6
    assert stays == sorted(stays)


def test_it_begins_where_the_first_draw_says():
    brain = governor()
    brain.begin(60 * MS)
    assert brain.step is Step.HALF
    assert brain.stride == 2
    brain.begin(300 * MS)
    assert brain.step is Step.REPEAT
