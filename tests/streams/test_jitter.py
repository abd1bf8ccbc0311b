import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from limner.streams.jitter import VoiceOrder, conceal

STEP = 960


def send(order: VoiceOrder, numbers, first: int = 65_530, clock: int = 2**32 - 5000):
    """Push packets by their place in the stream, counters wrapping as RTP's do; what comes out, by place."""
    out = []
    for n in numbers:
        got = order.push((first + n) % 2**16, (clock + n * STEP) % 2**32, b"%d" % n)
        out += [(int(v.payload), v.lost, (v.timestamp - clock) // STEP) for v in got]
    return out


def test_packets_in_order_pass_at_once():
    order = VoiceOrder()
    assert send(order, range(20)) == [(n, 0, n) for n in range(20)]     # across both wraps
    assert order.lost == order.late == 0


def test_a_lost_packet_is_waited_for_briefly_and_then_counted():
    order = VoiceOrder()
    assert send(order, [0, 2]) == [(0, 0, 0)]
    assert [(n, lost) for n, lost, _ in send(order, [3])] == [(2, 1), (3, 0)]
    assert order.lost == 1


def test_swapped_packets_come_out_in_order():
    assert [n for n, _, _ in send(VoiceOrder(), [0, 2, 1, 3, 5, 4])] == [0, 1, 2, 3, 4, 5]


def test_late_packets_are_dropped_and_teach_patience():
    order = VoiceOrder()
    send(order, [0, 2, 3, 1])
    assert order.late == 1 and order.hold == 2
    assert [n for n, _, _ in send(order, [5, 6, 4, 7])] == [4, 5, 6, 7]   # now it waits long enough
    send(order, range(8, 8 + 2 * VoiceOrder.CALM))
    assert order.hold == 1


def test_duplicates_do_nothing():
    assert [n for n, _, _ in send(VoiceOrder(), [0, 0, 1, 1, 2])] == [0, 1, 2]


def test_a_far_jump_is_a_new_stream():
    order = VoiceOrder()
    send(order, [0, 1])
    assert [n for n, _, _ in send(order, [5000, 5001])] == [5000, 5001]
    assert order.lost == 0


@given(st.lists(st.integers(0, 2**16 - 1), max_size=60), st.integers(0, 2**32 - 1))
def test_no_sequence_of_packets_breaks_it(numbers, clock):
    order = VoiceOrder()
    seen = [v.payload for n in numbers for v in order.push(n, clock, b"%d" % n)]
    assert len(seen) <= len(numbers) and len(order._waiting) <= VoiceOrder.MAX_HOLD


@given(st.permutations(range(30)), st.sets(st.integers(1, 28), max_size=12))
def test_what_comes_out_is_always_in_order(shuffled, missing):
    rank = {n: i + shuffled[i] % 3 for i, n in enumerate(range(30))}      # reordered by two places at most
    arriving = sorted((n for n in range(30) if n not in missing), key=rank.get)
    out = [n for n, _, _ in send(VoiceOrder(), arriving)]
    assert out == sorted(set(out)) and set(out) <= set(arriving)


def test_concealment_goes_on_with_the_voice_and_fades():
    rate, t = 16000, np.arange(3200) / 16000
    voice = (0.5 * np.sin(2 * np.pi * 140 * t)).astype(np.float32)
    heard, truth = voice[:1600], voice[1600:1920]
    filled = conceal(heard, 320, rate)
    assert np.dot(filled, truth) / np.linalg.norm(filled) / np.linalg.norm(truth) > 0.97
    assert abs(filled[0] - heard[-1]) < 0.1                                # no click at the seam
    assert np.abs(conceal(heard, 3200, rate)[960:]).max() == 0             # silent after 60 ms


@pytest.mark.parametrize("heard", [np.zeros(1600, np.float32), np.zeros(5, np.float32), np.zeros(0, np.float32)])
def test_concealing_silence_is_silence(heard):
    assert not conceal(heard, 320, 16000).any()
