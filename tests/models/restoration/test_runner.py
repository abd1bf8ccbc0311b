"""A network as a function of pictures: recorded where there is a GPU, and the same function without."""

import numpy as np
import pytest
import torch
from torch import nn

from limner.cuda.graph import ConstantChanged, eager
from limner.cuda.lane import open_lane
from limner.engine.errors import DeviceError
from limner.models.restoration.runner import Runner

gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device is usable here")


@pytest.fixture(params=["cpu", pytest.param("cuda:0", marks=[pytest.mark.gpu, gpu])])
def lane(request):
    with open_lane(request.param) as opened:
        yield opened


def small(lane):
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 3, 3, padding=1)).eval().to(lane.device)


def call(network, x):
    return network(x)


def faces(count):
    return np.random.default_rng(0).integers(0, 256, (count, 32, 40, 3), np.uint8)


def test_pictures_equal_the_networks_own(lane):
    network = small(lane)
    run = Runner(network, call, lane)
    for face in faces(3):
        with torch.inference_mode():
            y = network(torch.from_numpy(face).to(lane.device).permute(2, 0, 1)[None] / 127.5 - 1)[0].permute(1, 2, 0).cpu().numpy()
        want = np.rint((y.clip(-1, 1) + 1) * 127.5)
        got = run(face)
        assert got.dtype == np.uint8 and got.shape == face.shape
        assert np.abs(got - want).max() <= 1 and (got != want).mean() < 0.01         # a value on a rounding edge


def test_recorded_and_called_are_the_same(lane):
    run, one = Runner(small(lane), call, lane), faces(1)[0]
    with eager():
        want = run(one)
    assert np.abs(run(one).astype(int) - want).max() <= (0 if lane.device == "cpu" else 1)       # cuDNN may choose anew


def test_answers_do_not_share_memory(lane):
    run, (a, b) = Runner(small(lane), call, lane), faces(2)
    first = run(a)
    kept = first.copy()
    run(b)
    assert np.array_equal(first, kept)


def test_weights_that_moved_are_refused(lane):
    """Parameters and buffers both."""
    network = small(lane)
    run = Runner(network, call, lane)
    run(faces(1)[0])
    network[1].running_mean = network[1].running_mean.clone()
    with pytest.raises(ConstantChanged, match="running_mean"):
        run(faces(1)[0])


def test_memory_that_runs_out_is_one_line(lane):
    def full(network, x):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")

    with pytest.raises(DeviceError, match="not enough memory"):
        Runner(small(lane), full, lane)(faces(1)[0])
