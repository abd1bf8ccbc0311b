"""Pictures that wait for their time."""

import numpy as np
import pytest

from limner.engine.metrics import Metrics
from limner.engine.picturebuffer import PictureBuffer
from limner.engine.types import Picture


def picture(pts, generation=0):
    return Picture(np.zeros((3, 2), np.uint8), (2, 2), pts, pts, 3600, "key", generation)


@pytest.fixture
def buffer():
    return PictureBuffer(Metrics())


def test_each_picture_leaves_at_its_slot(buffer):
    buffer.add([picture(0), picture(3600), picture(7200)])
    assert buffer.has(0)
    for slot in (0, 3600, 7200):
        got, drawn_for = buffer.take(slot, 0, 0)
        assert (got.pts, drawn_for, got.drawn) == (slot, slot, "key")
    assert len(buffer) == 0


def test_nothing_yet_is_none(buffer):
    assert buffer.take(0, 0, 0) == (None, 0)
    buffer.add([picture(3600)])
    assert not buffer.has(0)
    assert buffer.take(0, 0, 0)[0] is None


def test_without_a_new_one_the_last_is_repeated_in_the_present_generation(buffer):
    buffer.add([picture(0)])
    first, _ = buffer.take(0, 0, 0)
    again, drawn_for = buffer.take(3600, 4, 0)
    assert (again.pts, again.drawn, again.generation, drawn_for) == (3600, "repeat", 4, 3600)
    assert again.planes is first.planes
    assert again.captured_ns == 0


def test_a_late_picture_is_better_than_none_and_the_newest_of_several_wins(buffer):
    buffer.add([picture(0), picture(3600)])
    got, drawn_for = buffer.take(7200, 0, 0)
    assert (got.pts, drawn_for, got.captured_ns) == (7200, 3600, 3600)
    assert buffer._metrics.counters["outdated_pictures"] == 1
    assert len(buffer) == 0


def test_a_picture_past_the_cap_is_not_shown(buffer):
    buffer.add([picture(0)])
    buffer.take(0, 0, 0)
    buffer.add([picture(3600)])
    got, _ = buffer.take(14_400, 0, oldest=7200)
    assert got.drawn == "repeat"


def test_what_became_stale_is_dropped(buffer):
    buffer.add([picture(0), picture(3600), picture(7200)])
    buffer.drop_from(3600)
    assert len(buffer) == 1
    assert buffer.has(0)
