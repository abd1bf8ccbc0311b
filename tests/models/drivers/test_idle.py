import numpy as np
import pytest

from limner.engine.clock import TICKS
from limner.engine.types import ARKIT_INDEX
from limner.models.drivers.idle import DOWN, SHUT, UP, IdleDriver, set_gaze

FPS = 50
BLINK = ARKIT_INDEX["eyeBlinkLeft"]
PRESS = ARKIT_INDEX["mouthPressLeft"]


def _film(driver: IdleDriver, seconds: float, fps: int = FPS, voiced=lambda t: False) -> list:
    step = TICKS // fps
    return [driver.at(k * step, voiced(k / fps)) for k in range(int(seconds * fps))]


def _rows(film: list) -> np.ndarray:
    return np.array([np.append(live.expression.row(), live.breath) for live in film])


def test_same_seed_same_motion_and_another_seed_another():
    a, b, c = (_rows(_film(IdleDriver(seed), 20)) for seed in (3, 3, 4))
    assert np.array_equal(a, b) and not np.array_equal(a, c)


def test_the_frame_rate_does_not_change_the_motion():
    talk = lambda t: 2 <= t < 4                                  # noqa: E731
    slow, fast = _rows(_film(IdleDriver(1), 12, 25, talk)), _rows(_film(IdleDriver(1), 12, 50, talk))
    # Smoothed speaking activity is stepped per frame, its onset seen at most one frame later: hardly any difference.
    assert np.abs(slow - fast[::2]).max() < 0.05 and np.abs(slow - fast[::2]).mean() < 1e-3


def test_reset_equals_fresh():
    driver = IdleDriver(5)
    first = _rows(_film(driver, 8, voiced=lambda t: t > 3))
    driver.listen(0, True)
    driver.reset()
    assert np.array_equal(first, _rows(_film(driver, 8, voiced=lambda t: t > 3)))


def test_no_liveliness_is_perfectly_still():
    rows = _rows(_film(IdleDriver(0, 0.0), 10, voiced=lambda t: t < 5))
    assert not rows.any()


def test_people_blink_fifteen_to_twenty_times_a_minute_and_quickly():
    film = _rows(_film(IdleDriver(2), 300))
    shut = film[:, BLINK] > 0.75
    starts = np.flatnonzero(shut[1:] & ~shut[:-1])
    assert 14 <= len(starts) / 5 <= 24           # the blinks that come with large shifts of gaze included
    assert np.diff(starts).min() / FPS > 0.2
    assert abs(DOWN + SHUT + UP - 0.28) < 1e-9 and film[:, BLINK].max() == 1


def test_head_sways_as_much_as_stated_and_less_in_silence():
    quiet, talking = _rows(_film(IdleDriver(6), 240)), _rows(_film(IdleDriver(6), 240, voiced=lambda t: True))
    yaw = 52 + 1
    assert 1.2 < np.degrees(talking[:, yaw].std()) < 2.4
    assert 0.4 < quiet[:, yaw].std() / talking[:, yaw].std() < 0.7
    assert np.abs(np.diff(talking[:, 52:55], axis=0)).max() * FPS < np.radians(25)      # rad/s: no jerks


def test_gaze_rests_jumps_and_returns():
    film = _rows(_film(IdleDriver(8), 120))
    across = film[:, ARKIT_INDEX["eyeLookOutLeft"]] - film[:, ARKIT_INDEX["eyeLookInLeft"]]
    jumps = np.abs(np.diff(across)) > 0.02
    assert 0.01 < jumps.mean() < 0.2             # fixations, not drifting
    assert np.abs(across).max() < 0.7 and abs(np.median(across)) < 0.05


def test_a_long_silence_brings_a_swallow_and_speech_does_not():
    silent = _rows(_film(IdleDriver(9), 60))[:, PRESS]
    assert 3 <= (np.diff((silent > 0.1).astype(int)) == 1).sum() <= 8
    assert _rows(_film(IdleDriver(9), 60, voiced=lambda t: t % 3 < 2))[:, PRESS].max() == 0


def test_a_listener_looks_and_nods_at_the_others_pause():
    nodded, gazes = 0, []
    for seed in range(12):
        driver, plain = IdleDriver(seed), IdleDriver(seed)
        step, dips = TICKS // FPS, []
        for k in range(6 * FPS):
            t = k / FPS
            driver.listen(k * step, 1 <= t < 3.5)
            heard, alone = driver.at(k * step).expression, plain.at(k * step).expression
            dips.append(float(heard.pose[0] - alone.pose[0]))
            if 2.5 < t < 3.5:
                gazes.append(float(heard.weights[ARKIT_INDEX["eyeLookOutLeft"]]))
        nodded += min(dips) < -np.radians(1.5)
        assert min(dips[:int(3.5 * FPS)]) > -1e-6                # never while the other still speaks
    assert 5 <= nodded <= 11                     # most pauses, not all
    assert np.mean(gazes) < 0.03


@pytest.mark.parametrize(("across", "up", "left", "right"), [
    (0.2, 0.0, "eyeLookOutLeft", "eyeLookInRight"), (-0.2, 0.0, "eyeLookInLeft", "eyeLookOutRight"),
    (0.0, 0.1, "eyeLookUpLeft", "eyeLookUpRight"), (0.0, -0.1, "eyeLookDownLeft", "eyeLookDownRight")])
def test_both_eyes_look_the_same_way(across: float, up: float, left: str, right: str):
    weights = np.zeros(52, np.float32)
    set_gaze(weights, across, up)
    assert {i for i in np.flatnonzero(weights)} == {ARKIT_INDEX[left], ARKIT_INDEX[right]}
