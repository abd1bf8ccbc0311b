import subprocess
import sys

import pytest
import torch

from limner.models.amt.network import AMT, padding

CEILING_2K = 2.5e9                               # bytes for 2048x1080 with AMT-S; all-pairs volumes alone would be 12.7e9


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return AMT("amt_s").eval()


def pictures(height, width, count=1, seed=0):
    make = torch.Generator().manual_seed(seed)
    coarse = torch.rand(2 * count, 3, 9, 9, generator=make)
    fine = torch.nn.functional.interpolate(coarse, size=(height, width), mode="bicubic").clamp(0, 1)
    return fine[:count], fine[count:]


@torch.inference_mode()
def test_a_batch_equals_its_samples(network):
    a, b = pictures(128, 144, count=2)
    times = torch.tensor([0.3, 0.8])
    got = network(a, b, times)
    for i in range(2):
        torch.testing.assert_close(got[i:i + 1], network(a[i:i + 1], b[i:i + 1], times[i]), atol=1e-5, rtol=0)
    same = network(a, b, torch.tensor([0.5]))
    assert same.shape == (2, 3, 128, 144)


@torch.inference_mode()
@pytest.mark.parametrize("size", [(40, 57), (128, 128), (129, 143)])
def test_any_size_gives_finite_pictures_of_that_size(network, size):
    a, b = pictures(*size)
    out = network(a, b, torch.tensor([0.5]))
    assert out.shape == (1, 3, *size) and out.isfinite().all() and out.min() >= 0 and out.max() <= 1


@torch.inference_mode()
def test_instants_near_the_ends_stay_finite(network):
    a, b = pictures(128, 128)
    out = network(a, b, torch.tensor([1e-3, 1 / 2400, 1 - 1 / 2400]))
    assert out.isfinite().all()


@torch.inference_mode()
def test_on_demand_correlation_gives_the_same_picture(network):
    a, b = pictures(160, 128)
    lean = AMT("amt_s", volume_limit=0).eval()
    lean.load_state_dict(network.state_dict())
    torch.testing.assert_close(lean(a, b, torch.tensor([0.4])), network(a, b, torch.tensor([0.4])), atol=1e-4, rtol=0)


@pytest.mark.parametrize(("size", "scale", "border"), [
    ((256, 256), 1, (0, 0, 0, 0)), ((233, 311), 1, (4, 5, 3, 4)), ((250, 330), 0.5, (11, 11, 3, 3)), ((100, 128), 1, (0, 0, 14, 14)),
])
def test_padding(size, scale, border):
    assert padding(*size, scale) == border


PROBE = """
import pathlib, torch
torch.set_num_threads(1)
from limner.models.amt.network import AMT
network = AMT("amt_s").eval()
a, b = torch.rand(2, 1, 3, 1080, 2048)
with torch.inference_mode():
    assert network(a, b, torch.tensor([0.5])).isfinite().all()
# VmHWM is this program's own peak; ru_maxrss would begin with that of whoever started it.
print(int(pathlib.Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) * 1024)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="peak memory is read as Linux reports it")
def test_2k_input_stays_under_the_stated_memory():
    done = subprocess.run([sys.executable, "-c", PROBE], capture_output=True, text=True, check=True)
    assert int(done.stdout) < CEILING_2K
