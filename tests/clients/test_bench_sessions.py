import pytest

from limner.clients.bench_sessions import Stretch, held, measure

GOOD = {"drawn": 250, "repeated": 1, "steps": 0, "draw_ms_p50": 6.0, "delay_ms_p95": 105.0}


@pytest.mark.parametrize(("change", "good"), [
    ({}, True), ({"repeated": 5}, False), ({"steps": 1}, False), ({"delay_ms_p95": 260.0}, False), ({"drawn": 0, "repeated": 0}, False),
])
def test_all_must_be_drawn_in_time(change, good):
    assert held([GOOD, GOOD | change], 250) is good


def test_only_what_was_done_since_counts():
    class Guest:
        class session:
            from limner.engine.metrics import Metrics

            metrics = Metrics()

    Guest.session.metrics.count("pictures_key", 100)
    stretch = Stretch(Guest)
    Guest.session.metrics.count("pictures_key", 25)
    Guest.session.metrics.count("pictures_repeat", 2)
    assert stretch.figures()["drawn"] == 25 and stretch.figures()["repeated"] == 2


async def test_two_real_sessions_are_drawn_and_encoded():
    figures = await measure(2, 1.0, size=256)
    assert figures["sessions"] == 2 and figures["drawn"] > 0 and figures["cores_busy"] > 0 and figures["delay_ms_p95"] > 0
