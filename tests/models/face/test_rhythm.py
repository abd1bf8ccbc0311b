import numpy as np
import pytest

from limner.models.face.rhythm import Succession, Sway


def test_sway_has_unit_spread_and_stays_in_its_band():
    sway = Sway(np.random.default_rng(0), 0.1, 1.0)
    rate = 20
    values = np.array([sway.at(k / rate) for k in range(600 * rate)])
    assert 0.85 < values.std() < 1.15 and abs(values.mean()) < 0.1
    power = np.abs(np.fft.rfft(values)) ** 2
    frequency = np.fft.rfftfreq(len(values), 1 / rate)
    assert power[(frequency < 0.09) | (frequency > 1.1)].sum() < 0.02 * power.sum()


def test_a_succession_is_the_same_at_any_pace_and_after_going_back():
    def draw(rng: np.random.Generator, _: int) -> tuple[float, int]:
        return float(rng.uniform(0.5, 2.0)), int(rng.integers(1, 1000))

    slow, fast = Succession((1, 2), draw, 0), Succession((1, 2), draw, 0)
    for k in range(0, 400):
        fast.at(k * 0.025)
    assert slow.at(10.0) == fast.at(10.0)
    early = slow.at(3.0)
    slow.at(9.0)
    assert slow.at(3.0) == early
    age, event, before = slow.at(5.0)
    assert 0 <= age < 2.0 and event != before
    assert slow.at(0.0)[1] == 0
    assert slow.at(5.0)[0] == pytest.approx(age)
