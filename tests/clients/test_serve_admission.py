import pytest

from limner.clients.serve_admission import Admission, Load, Meter, cores_here
from limner.engine.errors import Busy

SECOND = 1_000_000_000
USUAL = 512 * 512 * 25


def test_sessions_are_let_in_until_the_cores_are_full():
    """Each takes 0.3 of a core: six of them fill 1.8 of 2, which is all that is given away."""
    admission = Admission(cores=2)
    for running in range(6):
        admission.check([Load(USUAL, 0.299)] * running, USUAL)
    with pytest.raises(Busy, match=r"2\.1 of its 2 cores.*smaller or slower"):
        admission.check([Load(USUAL, 0.299)] * 6, USUAL)
    admission.check([Load(USUAL, 0.299)] * 5, USUAL)


def test_the_first_is_always_let_in_and_the_second_waits_for_no_measurement():
    admission = Admission(cores=1)
    admission.check([], 1024 * 1024 * 60)
    admission.check([Load(USUAL)], USUAL)


def test_a_larger_picture_needs_more_room_than_a_small_one():
    admission, running = Admission(cores=1), [Load(USUAL, 0.4)]
    admission.check(running, USUAL)
    with pytest.raises(Busy):
        admission.check(running, 4 * USUAL)


def test_those_that_nobody_watches_are_counted_in_full():
    admission = Admission(cores=1)
    admission.check([Load(USUAL, 0.4)], USUAL)
    with pytest.raises(Busy):
        admission.check([Load(USUAL, 0.4), Load(USUAL)], USUAL)


def test_what_was_measured_is_remembered_when_all_have_left():
    admission = Admission(cores=1)
    admission.check([Load(USUAL, 0.5)], USUAL // 2)
    admission.check([], USUAL)
    with pytest.raises(Busy):
        admission.check([Load(USUAL)], USUAL)


def test_a_meter_follows_the_cost_and_forgets_the_first_seconds():
    meter = Meter()
    meter.read(5 * SECOND, 0)                       # compiling, say
    assert meter.cores is None
    for step in range(1, 41):
        meter.read(5 * SECOND + step * SECOND // 8, step * SECOND // 2)
    assert meter.cores == pytest.approx(0.25)
    busy, now = 10 * SECOND, 20 * SECOND
    for _ in range(20):
        busy, now = busy + SECOND // 2, now + SECOND // 2
        meter.read(busy, now)
    assert meter.cores == pytest.approx(1.0, abs=0.02)


def test_a_pause_is_not_cheap_work():
    meter = Meter()
    meter.read(0, 0)
    meter.read(SECOND // 2, SECOND)
    meter.pause()
    meter.read(SECOND // 2, 100 * SECOND)
    assert meter.cores == 0.5
    meter.read(SECOND, 101 * SECOND)
    assert meter.cores == pytest.approx(0.5)


def test_there_is_at_least_one_core():
    assert cores_here() >= 1
