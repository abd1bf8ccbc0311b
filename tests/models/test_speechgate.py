import numpy as np
from limner.models.speechgate import HOLD, PAUSE, ClosureHold, SpeechGate

ON = np.ones(100)


def test_gate_needs_network_and_voice_to_open():
    assert not SpeechGate().push(ON, 0 * ON)[1].any()
    assert not SpeechGate().push(0.3 * ON, ON)[1].any()
    gain, state = SpeechGate().push(ON, ON)
    assert state[5:].all() and gain[12] > 0.9
    assert (np.diff(gain) >= 0).all() and np.diff(gain).max() < 0.4         # opens quickly, but never jumps


def test_gate_rests_within_a_quarter_second():
    gate = SpeechGate()
    gate.push(ON, ON)
    gain, state = gate.push(0 * ON, ON)
    assert not state[PAUSE + 5:].any() and gain[25] < 0.08 and np.diff(gain).min() > -0.2


def test_a_stop_consonant_does_not_close_the_gate():
    gate = SpeechGate()
    gate.push(ON, ON)
    assert gate.push(np.r_[np.zeros(PAUSE), np.ones(20)], np.ones(PAUSE + 20))[1].all()


def test_a_decided_closure_lasts_at_least_one_picture():
    for length in (1, 2, HOLD):
        contact = ClosureHold().push(np.r_[np.zeros(5), np.ones(length), np.zeros(10)])
        assert (contact == 1).sum() == HOLD and contact[5] == 1
    long = ClosureHold().push(np.r_[np.zeros(5), np.ones(9), np.zeros(10)])
    assert (long == 1).sum() == 9
    assert not ClosureHold().push(0.4 * ON).any()


def test_any_chunking_equals_one_pass():
    rng = np.random.default_rng(0)
    p, v = rng.random(200), rng.random(200) > 0.3
    for make, inputs in ((SpeechGate, (p, v)), (ClosureHold, (p,))):
        whole, parts = make(), make()
        a = whole.push(*inputs)
        b = [parts.push(*(x[i:i + 7] for x in inputs)) for i in range(0, 200, 7)]
        a, b = (a, b) if make is ClosureHold else (a[0], [x[0] for x in b])
        assert np.array_equal(a, np.concatenate(b))
