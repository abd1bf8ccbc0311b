"""One thread, in order, off the loop."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from limner.engine.lane import ThreadLane


async def test_work_runs_in_order_on_one_other_thread():
    lane, seen = ThreadLane(), []
    for k in range(5):
        assert await lane.run(lambda k=k: seen.append((k, threading.get_ident())) or k) == k
    lane.close()
    assert [k for k, _ in seen] == list(range(5))
    threads = {thread for _, thread in seen}
    assert len(threads) == 1
    assert threading.get_ident() not in threads


async def test_errors_come_back():
    lane = ThreadLane()
    with pytest.raises(ZeroDivisionError):
        await lane.run(lambda: 1 / 0)
    lane.close()


async def test_a_lent_executor_is_not_shut_down():
    with ThreadPoolExecutor(1) as lent:
        lane = ThreadLane(lent)
        await lane.run(lambda: None)
        lane.close()
        assert lent.submit(lambda: 3).result() == 3
