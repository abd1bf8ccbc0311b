"""Every outlet's reader gets the pictures that were sent, by number."""

import numpy as np
import pytest

from limner.clients import bench_outlets
from limner.clients.bench_outlets import BITS, OUTLETS, Seen, number_of, numbered


@pytest.mark.parametrize("n", [0, 1, 2, 0x5555, 0xAAAA, 2**BITS - 1])
def test_the_number_is_in_the_pixels_and_survives_noise(n):
    luma = numbered(n).planes[: bench_outlets.SIZE[0]].astype(int)
    assert number_of(luma.astype(np.uint8)) == n
    noise = np.random.default_rng(n).normal(0, 25, luma.shape)
    assert number_of(np.clip(luma + noise, 0, 255).astype(np.uint8)) == n


def test_the_first_seconds_do_not_count_and_lost_pictures_do():
    seen = Seen()
    for n in range(bench_outlets.SETTLE + 10):
        seen.handed[n] = n * 1_000_000
        if n % 2:
            seen.had[n] = (n + (90 if n < bench_outlets.SETTLE else 3)) * 1_000_000
    assert seen.figures() == {"fps": 12.5, "share": 0.5, "delay_ms_p50": 3, "delay_ms_p95": 3}
    assert Seen().figures() == {"share": 0}


@pytest.mark.slow
@pytest.mark.parametrize("name", OUTLETS)
async def test_a_reader_on_this_machine_gets_them(name):
    figures = await OUTLETS[name](1.0)
    assert figures["share"] > 0.8 and 0 < figures["fps"] <= 25
    assert all(np.isfinite(value) and value >= 0 for value in figures.values())
