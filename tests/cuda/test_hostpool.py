import gc

import numpy as np
import pytest

from limner.cuda.hostpool import SMALLEST, HostPool, size_class


@pytest.mark.parametrize(("count", "size"), [(0, 4096), (1, 4096), (4096, 4096), (4097, 8192), (1 << 20, 1 << 20)])
def test_classes(count, size):
    assert size_class(count) == size


def test_an_array_comes_back_when_its_last_view_is_forgotten():
    made = []
    pool = HostPool(1 << 20, lambda count: made.append(count) or np.empty(count, np.uint8))
    array = pool.lend((30, 50), np.float32)
    array[:] = 7
    view = array[3:].T[2:]
    del array
    gc.collect()
    other = pool.lend((30, 50), np.float32)
    other[:] = 1
    assert (view == 7).all() and len(made) == 2
    del view
    gc.collect()
    pool.lend((1500,), np.float32)
    assert len(made) == 2 and pool.misses == 0


def test_the_limit_holds_and_more_is_counted_not_refused():
    pool = HostPool(3 * SMALLEST)
    lent = [pool.lend((SMALLEST,), np.uint8) for _ in range(5)]
    assert pool.held == 3 * SMALLEST and pool.misses == 2
    for number, array in enumerate(lent):
        array[:] = number
    assert [array[0] for array in lent] == [0, 1, 2, 3, 4]
    del lent, array
    gc.collect()
    assert pool.lend((2 * SMALLEST,), np.uint8).nbytes == 2 * SMALLEST        # unused small ones make room
    assert pool.misses == 2 and pool.held <= pool.limit
    assert pool.lend((4 * SMALLEST,), np.uint8).nbytes == 4 * SMALLEST and pool.misses == 3


def test_memory_stays_flat_however_often_it_is_used():
    pool = HostPool(1 << 20)
    for turn in range(1000):
        pool.lend((turn % 3 + 1, 4000), np.uint8)[:] = turn % 256
    assert pool.held <= SMALLEST * (1 + 2 + 4) and pool.misses == 0


def test_empty_and_scalar():
    pool = HostPool(1 << 20)
    assert pool.lend((0, 3), np.float32).shape == (0, 3) and pool.lend((), np.float64).shape == ()
