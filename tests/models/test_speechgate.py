import numpy as np

from limner.models.speechgate import HOLD, PAUSE, VOWEL_DUE, ClosureHold, SpeechGate

ON = np.ones(100)


def test_gate_needs_a_vowel_and_a_voice_to_open():
    assert not SpeechGate().push(ON, ON, ON, 0 * ON)[1].any()
    assert not SpeechGate().push(ON, 0.4 * ON, ON, ON)[1].any()       # clatter: sure of speech, never of a vowel
    assert not SpeechGate().push(ON, 0.8 * ON, 0.3 * ON, ON)[1].any()  # breath: nearly a vowel, no pitch
    assert SpeechGate().push(ON, 0.95 * ON, 0.3 * ON, ON)[1].any()    # a whisper
    gain, state = SpeechGate().push(ON, ON, ON, ON)
    assert state[8:].all() and gain[14] > 0.9
    assert (np.diff(gain) >= 0).all() and np.diff(gain).max() < 0.51  # opens quickly, but never at once


def opened():
    gate = SpeechGate()
    gate.push(ON, ON, ON, ON)
    return gate


def test_gate_rests_within_a_quarter_second():
    gain, state = opened().push(0 * ON, 0 * ON, ON, ON)
    assert not state[PAUSE + 5:].any() and gain[25] < 0.08 and np.diff(gain).min() > -0.2


def test_gate_closes_on_consonants_that_no_vowel_follows():
    _, state = opened().push(ON, 0 * ON, ON, ON)
    assert state[:VOWEL_DUE - 5].all() and not state[VOWEL_DUE + 5:].any()


def test_a_stop_consonant_does_not_close_the_gate():
    gap = np.r_[np.zeros(PAUSE), np.ones(20)]
    assert opened().push(gap, gap, gap, np.ones(PAUSE + 20))[1].all()


def test_a_decided_closure_shuts_one_whole_picture():
    for length in (1, 2, HOLD):
        contact = ClosureHold().push(np.r_[np.zeros(5), np.ones(length), np.zeros(10)])
        assert (contact == 1).sum() == HOLD - 1 >= 4 and contact[6] == 1
    long = ClosureHold().push(np.r_[np.zeros(5), np.ones(9), np.zeros(10)])
    assert (long == 1).sum() == 8
    assert not ClosureHold().push(0.4 * ON).any()


def test_lips_meet_and_part_without_a_jump():
    contact = ClosureHold().push(np.r_[np.zeros(5), np.ones(9), np.zeros(10)])
    assert np.diff(contact).max() <= 0.51 and np.diff(contact).min() >= -0.35


def test_any_chunking_equals_one_pass():
    rng = np.random.default_rng(0)
    p, q, v = rng.random(200), rng.random(200), rng.random(200) > 0.3
    for make, inputs in ((SpeechGate, (p, q, q, v)), (ClosureHold, (p,))):
        whole, parts = make(), make()
        a = whole.push(*inputs)
        b = [parts.push(*(x[i:i + 7] for x in inputs)) for i in range(0, 200, 7)]
        a, b = (a, b) if make is ClosureHold else (a[0], [x[0] for x in b])
        assert np.array_equal(a, np.concatenate(b))
