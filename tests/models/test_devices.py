import pytest
import torch

from limner.engine.errors import DeviceError
from limner.models.devices import choose, enough_memory


def test_choice(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    assert choose("auto") == choose("cpu") == "cpu"
    for name in ("cuda:0", "cuda", "tpu", "mps", "meta", "rubbish:9"):
        with pytest.raises(DeviceError, match="--device"):
            choose(name)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert choose("auto") == "cuda:0" and choose("cuda:1") == "cuda:1"
    with pytest.raises(DeviceError, match="2 CUDA devices"):
        choose("cuda:2")


def test_memory_that_runs_out_is_one_clear_line():
    with pytest.raises(DeviceError, match=r"cuda:0: not enough memory.*--size"), enough_memory("cuda:0"):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")
    with pytest.raises(ValueError, match="shape"), enough_memory("cpu"):
        raise ValueError("shape")
