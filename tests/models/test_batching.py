"""The decisions in simulated time, the shell with real threads that are held by events, never by sleeping."""

import random
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from limner.cuda.lane import Lane, OutOfMemory
from limner.engine.clock import TICKS_PER_MS, ManualClock
from limner.models.batching import MOST, SLACK, Batcher, Gatherer

PERIOD = 3600                                    # 25 per second


def sessions(batch):
    return [ask.session for ask in batch]


def test_one_alone_never_waits():
    gatherer = Gatherer()
    for turn in range(10):
        gatherer.ask("a", turn, turn * PERIOD)
        assert [ask.item for ask in gatherer.next(turn * PERIOD)] == [turn]
    assert gatherer.next(10 * PERIOD) is None and len(gatherer) == 0


def paced(*offsets, slack=SLACK, most=MOST, rounds=3):
    """A gatherer to which sessions 0, 1, ... have asked at these offsets of each period, all of it drawn."""
    gatherer = Gatherer(slack=slack, most=most)
    for turn in range(rounds):
        for session, offset in sorted(enumerate(offsets), key=lambda each: each[1]):
            gatherer.ask(session, turn, turn * PERIOD + offset)
        while isinstance(gatherer.next(turn * PERIOD + max(offsets) + slack), list):
            pass
    return gatherer


def test_sessions_of_one_tick_are_drawn_together():
    gatherer = paced(0, 60, 120)
    now = 3 * PERIOD
    gatherer.ask(0, "x", now)
    assert gatherer.next(now) > now
    gatherer.ask(1, "x", now + 60)
    assert gatherer.next(now + 60) > now + 60
    gatherer.ask(2, "x", now + 120)
    assert sessions(gatherer.next(now + 120)) == [0, 1, 2]        # all are here: not a tick longer


def test_nobody_waits_for_one_who_comes_much_later():
    gatherer = paced(0, 1800)
    gatherer.ask(0, "x", 3 * PERIOD)
    assert sessions(gatherer.next(3 * PERIOD)) == [0]


def test_one_who_does_not_come_costs_at_most_the_slack_and_then_nothing():
    gatherer = paced(0, 60)
    now = 3 * PERIOD
    gatherer.ask(0, "x", now)
    until = gatherer.next(now)
    assert now < until <= now + SLACK
    assert sessions(gatherer.next(until)) == [0]
    gatherer.ask(0, "x", now + PERIOD)           # the other was expected a period ago
    assert sessions(gatherer.next(now + PERIOD)) == [0]


def test_more_than_fit_are_drawn_oldest_first():
    gatherer = paced(*range(10), most=4)
    for session in (7, 3, 9, 1, 0, 2):
        gatherer.ask(session, "x", 3 * PERIOD)
    assert sessions(gatherer.next(3 * PERIOD)) == [7, 3, 9, 1]


def test_a_greedy_session_comes_after_everybody_elses_first():
    gatherer = Gatherer(most=3)
    for k in range(5):
        gatherer.ask("greedy", k, 0)
    gatherer.ask("b", 0, 1)
    gatherer.ask("c", 0, 1)
    assert sorted(sessions(gatherer.next(1))) == ["b", "c", "greedy"]
    rest = gatherer.next(1)
    assert [(ask.session, ask.item) for ask in rest] == [("greedy", 1), ("greedy", 2), ("greedy", 3)]


def test_the_gone_are_forgotten():
    gatherer = Gatherer()
    for k in range(1000):
        gatherer.ask(k, "x", k * PERIOD)
        gatherer.next(k * PERIOD)
    assert len(gatherer._paces) < 50


def simulate(count, seconds, cost, *, jitter=0, slow=(), seed=0, most=MOST, slack=SLACK):
    """Sessions of 25 fps with random phases on a device whose call of n takes cost(n) ticks.

    A session asks anew only when drawn. Those in `slow` stall for a second now and then. Returns waits (ask to picture)
    by session and the batch sizes.
    """
    rng = random.Random(seed)
    gatherer = Gatherer(slack=slack, most=most)
    due = {s: rng.randrange(PERIOD) for s in range(count)}
    waits, sizes, now, busy_until, running, slots = {s: [] for s in due}, [], 0, 0, [], dict(due)
    while now < seconds * 90_000:
        if running and now >= busy_until:
            for ask in running:
                waits[ask.session].append(now - ask.at)
                slots[ask.session] += PERIOD * (25 if ask.session in slow and rng.random() < 0.1 else 1)
                due[ask.session] = max(now, slots[ask.session] + rng.randint(-jitter, jitter))
            running = []
        for session in [s for s, at in due.items() if at <= now]:
            gatherer.ask(session, None, now)
            due[session] = 1 << 60
        found = None if running else gatherer.next(now)
        if isinstance(found, list):
            running, busy_until = found, now + cost(len(found))
            sizes.append(len(found))
            continue
        soonest = min([*due.values(), *([busy_until] if running else []), *([found] if isinstance(found, int) else [])])
        now = max(now + 1, soonest)
    return waits, sizes


def affine(first_ms, more_ms):
    return lambda n: round((first_ms + more_ms * (n - 1)) * TICKS_PER_MS)


@pytest.mark.parametrize("count", [1, 2, 8, 32, 64])
def test_latency_is_within_slack_and_two_calls(count):
    cost = affine(2.0, 0.4)
    waits, sizes = simulate(count, 8, cost, jitter=90)
    worst = max(max(each) for each in waits.values())
    # the call under way, the slack, the own call
    assert worst <= SLACK + 2 * cost(max(sizes)) + 2
    assert worst < PERIOD and max(sizes) <= MOST
    assert all(len(each) >= 8 * 25 - 3 for each in waits.values())
    if count == 1:
        assert worst == cost(1)


def test_load_that_single_draws_could_not_carry_is_carried_in_batches():
    cost = affine(4.0, 0.5)                      # 64 sessions x 4 ms would need 6.4 times the time there is
    waits, sizes = simulate(64, 8, cost)
    assert max(max(each) for each in waits.values()) < PERIOD and sum(sizes) / len(sizes) > 6


def test_stalling_sessions_do_not_hold_the_others():
    cost = affine(2.0, 0.4)
    calm, _ = simulate(16, 20, cost)
    disturbed, _ = simulate(16, 20, cost, slow=(0, 5, 9))
    for session in set(range(16)) - {0, 5, 9}:
        assert len(disturbed[session]) >= len(calm[session]) - 1
        assert max(disturbed[session]) <= SLACK + 2 * cost(16) + 2


def test_overload_is_shared_fairly():
    waits, _ = simulate(40, 10, affine(20, 5), most=8)       # far more than the device can draw
    drawn = [len(each) for each in waits.values()]
    assert max(drawn) - min(drawn) <= 1


# The shell

@pytest.fixture
def lane():
    with Lane() as opened:
        yield opened


class Held:
    """Work that waits for leave, so that a test decides what piles up meanwhile."""

    def __init__(self):
        self.begun, self.leave, self.calls = threading.Semaphore(0), threading.Semaphore(0), []

    def __call__(self, items):
        self.begun.release()
        assert self.leave.acquire(timeout=30)
        self.calls.append(list(items))
        return [item * 10 for item in items]


def wait_for(batcher, count):
    """Until `count` asks wait, seen at each change of the gatherer."""
    for _ in range(1_000_000):
        with batcher._changed:
            if len(batcher._gatherer) == count:
                return
    raise AssertionError(f"{len(batcher._gatherer)} asks wait, expected {count}")


def test_what_piles_up_behind_a_call_goes_in_one(lane):
    work = Held()
    batcher = Batcher(work, lane=lane, clock=ManualClock())
    with ThreadPoolExecutor(8) as threads:
        first = threads.submit(batcher.draw, "first", 1)
        assert work.begun.acquire(timeout=30)
        rest = [threads.submit(batcher.draw, k, k) for k in range(2, 8)]
        wait_for(batcher, 6)
        work.leave.release(2)
        assert first.result(30) == 10 and [each.result(30) for each in rest] == [10 * k for k in range(2, 8)]
    assert Counter(map(len, work.calls)) == {1: 1, 6: 1} and (batcher.calls, batcher.drawn) == (2, 7)
    batcher.close()


def test_a_bad_draw_fails_alone(lane):
    held = Held()

    def work(items):
        done = held(items)
        if "bad" in items:
            raise ValueError("this one")
        return done

    batcher = Batcher(work, lane=lane, clock=ManualClock())
    with ThreadPoolExecutor(4) as threads:
        first = threads.submit(batcher.draw, 0, 1)
        assert held.begun.acquire(timeout=30)
        good, bad = threads.submit(batcher.draw, 1, 2), threads.submit(batcher.draw, 2, "bad")
        wait_for(batcher, 2)
        held.leave.release(10)
        assert first.result(30) == 10 and good.result(30) == 20
        with pytest.raises(ValueError, match="this one"):
            bad.result(30)
    batcher.close()


def test_too_little_memory_makes_smaller_calls_or_says_so(lane):
    held, sizes = Held(), []

    def work(items):
        if items == [1]:
            held(items)
        sizes.append(len(items))
        if len(items) > 2 or "huge" in items:
            raise MemoryError
        return items

    batcher = Batcher(work, lane=lane, clock=ManualClock())
    with ThreadPoolExecutor(8) as threads:
        first = threads.submit(batcher.draw, 0, 1)
        assert held.begun.acquire(timeout=30)
        rest = [threads.submit(batcher.draw, k, k) for k in (2, 3, 4, 5)]
        wait_for(batcher, 4)
        held.leave.release(10)
        assert first.result(30) == 1 and [each.result(30) for each in rest] == [2, 3, 4, 5]
        assert sizes == [1, 4, 2, 2]
        with pytest.raises(OutOfMemory, match="one item"):
            threads.submit(batcher.draw, 9, "huge").result(30)
    batcher.close()


def test_closing_ends_the_thread_and_refuses_more(lane):
    batcher = Batcher(lambda items: items, lane=lane)
    assert batcher.draw("a", 3) == 3
    batcher.close()
    assert not batcher._thread.is_alive()
    with pytest.raises(RuntimeError, match="closed"):
        batcher.draw("a", 4)
