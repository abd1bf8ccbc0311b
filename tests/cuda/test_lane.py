"""The CPU lane in full; the GPU's where there is one."""

import asyncio
import gc
import subprocess
import sys
import threading

import numpy as np
import pytest
import torch

from limner.cuda.lane import CudaLane, Lane, NoDevice, OutOfMemory, choose, is_out_of_memory, open_lane
from limner.engine.clock import ManualClock
from limner.engine.config import Settings
from limner.engine.session import Session
from limner.engine.testing import CollectSink, FakeAnimator, FakeExtractor, FakeSource, speech_like

gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device is usable here")
DEVICES = ["cpu", pytest.param("cuda:0", marks=[pytest.mark.gpu, gpu])]


@pytest.fixture(params=DEVICES)
def lane(request):
    with open_lane(request.param) as opened:
        yield opened


def test_choice(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    assert choose("auto") == choose("cpu") == "cpu" and open_lane().device == "cpu"
    for name in ("cuda:0", "cuda", "cuda:", "cuda:-1", "cpu:0", "tpu", "rubbish:9", ""):
        with pytest.raises(NoDevice, match=r"expected auto|0 CUDA devices"):
            choose(name)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert choose("auto") == "cuda:0" and choose("cuda:1") == "cuda:1"
    with pytest.raises(NoDevice, match="2 CUDA devices"):
        choose("cuda:2")


def test_a_gpu_lane_without_a_gpu_says_so(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    with pytest.raises(NoDevice, match="0 CUDA devices are usable here"):
        CudaLane("cuda:0")


def test_calls_run_in_order_on_one_thread(lane):
    seen = []
    threads = [threading.Thread(target=lane.call, args=(lambda k=k: seen.append((k, threading.get_ident())),)) for k in range(20)]
    for each in threads:
        each.start()
        each.join()
    assert [k for k, _ in seen] == list(range(20)) and len({ident for _, ident in seen}) == 1
    assert seen[0][1] != threading.get_ident()


def test_a_call_from_the_lane_itself_does_not_wait_for_itself(lane):
    assert lane.call(lambda: lane.call(threading.get_ident)) == lane.call(threading.get_ident)


@pytest.mark.parametrize("device", DEVICES)
def test_a_lane_nobody_holds_any_more_ends_its_thread(device):
    lane = open_lane(device)
    thread = lane.call(threading.current_thread)
    del lane
    gc.collect()
    thread.join(10)
    assert not thread.is_alive()


def test_errors_come_to_the_caller(lane):
    with pytest.raises(ZeroDivisionError):
        lane.call(lambda: 1 / 0)
    assert lane.call(lambda: 2) == 2


async def test_run_is_awaited_off_the_loop(lane):
    free = asyncio.get_running_loop().create_future()
    order = []

    async def turn():
        order.append("loop")
        free.set_result(None)

    held = threading.Event()
    work = asyncio.ensure_future(lane.run(lambda: held.wait(30) and order.append("lane")))
    await turn()
    held.set()
    await work
    assert order == ["loop", "lane"]


async def test_a_session_draws_on_the_lane_it_is_lent(lane):
    clock, sink, idents = ManualClock(), CollectSink(), set()

    class Noting(FakeAnimator):
        def draw(self, window):
            idents.add(threading.get_ident())
            return super().draw(window)

    source = FakeSource(speech_like(0.4), clock, live=False)
    session = Session(extractor=FakeExtractor(), animator=Noting(64), sinks=[sink], source=source, clock=clock,
                      settings=Settings(size=64), lane=lane)
    running = asyncio.ensure_future(session.run())
    while not running.done():
        await clock.advance(900)
        await lane.run(lambda: None)             # what was handed over before is done now
    await running
    assert idents == {lane.call(threading.get_ident)} and len(sink.pictures) > 5


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float16, np.int64])
def test_up_and_down_again(lane, dtype):
    array = np.random.default_rng(0).integers(0, 200, (3, 5, 7)).astype(dtype)
    tensor = lane.upload(array)
    assert str(tensor.device) == lane.device and tuple(tensor.shape) == array.shape
    assert np.array_equal(lane.download(tensor), array) and lane.download(tensor).dtype == dtype
    assert np.array_equal(lane.download(tensor.permute(2, 0, 1)), array.transpose(2, 0, 1))
    assert np.array_equal(lane.download(lane.upload(array[:, ::2])), array[:, ::2])


def test_the_cpu_copies_nothing():
    with Lane() as lane:
        array = np.arange(6, dtype=np.float32)
        tensor = lane.upload(array)
        assert np.shares_memory(lane.download(tensor), array)


def test_arrays_pass_between_libraries_without_a_copy(lane):
    if lane.device != "cpu":
        pytest.importorskip("cupy")

    def work():
        tensor = torch.arange(12, dtype=torch.float32, device=lane.device).view(3, 4)
        array = lane.array(tensor)
        array[1, 2] = 99
        back = lane.tensor(array)
        back[0, 0] = -1
        return float(tensor[1, 2]), float(tensor[0, 0]), back.data_ptr() == tensor.data_ptr()

    assert lane.call(work) == (99, -1, True)


def test_what_counts_as_out_of_memory():
    full = RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes")
    assert is_out_of_memory(MemoryError()) and is_out_of_memory(full) and is_out_of_memory(torch.OutOfMemoryError("CUDA out of memory"))
    assert not is_out_of_memory(RuntimeError("shape mismatch")) and not is_out_of_memory(ValueError("out of memory"))


def test_real_exhaustion_of_host_memory_is_recognised():
    with pytest.raises(Exception) as caught:
        torch.empty(1 << 60, dtype=torch.uint8)
    assert is_out_of_memory(caught.value)


class Memory:
    """Work that fits `room` items at once."""

    def __init__(self, room):
        self.room, self.calls = room, []

    def __call__(self, items):
        self.calls.append(len(items))
        if len(items) > self.room:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return [item * 10 for item in items]


def test_a_batch_too_large_is_halved_and_stays_so(lane):
    work = Memory(3)
    assert lane.fitting(work, list(range(9))) == [10 * k for k in range(9)]
    assert work.calls == [9, 4, 2, 2, 2, 2, 1] and lane.most == 2
    work.calls.clear()
    assert lane.fitting(work, [5, 6, 7]) == [50, 60, 70] and work.calls == [2, 1]


def test_what_fits_is_one_call(lane):
    work = Memory(100)
    assert lane.fitting(work, list(range(32))) == [10 * k for k in range(32)] and work.calls == [32] and lane.most is None
    assert lane.fitting(work, []) == []


def test_one_that_does_not_fit_is_said_clearly(lane):
    with pytest.raises(OutOfMemory, match="does not hold one item"):
        lane.fitting(Memory(0), [1, 2, 3])
    with pytest.raises(ZeroDivisionError):
        lane.fitting(lambda items: 1 / 0, [1])


@pytest.mark.gpu
@gpu
def test_one_stream_and_flat_memory():
    with CudaLane("cuda:0", pinned=1 << 22) as lane:
        assert lane.call(lambda: torch.cuda.current_stream() == lane.stream)
        array = np.ones((256, 256, 3), np.float32)
        for _ in range(200):
            assert lane.download(lane.upload(array) * 2).max() == 2
        assert lane.pool.misses == 0 and lane.pool.held <= 1 << 22


def test_the_lane_itself_needs_no_torch():
    code = ("import sys; from limner.cuda.lane import Lane; lane = Lane(); assert lane.call(lambda: 5) == 5; lane.close(); "
            "assert not {'torch', 'cupy'} & set(sys.modules)")
    subprocess.run([sys.executable, "-c", code], check=True)
