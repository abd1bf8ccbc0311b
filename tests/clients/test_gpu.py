import pytest

from limner.clients.gpu import Driver, cupy_line, findings, gpu_line, read_driver, torch_line

OLD = Driver((12, 4), ("NVIDIA A10",))
NEW = Driver((13, 1), ("NVIDIA H200",))


@pytest.mark.parametrize("driver, state, found", [
    (None, "off", "no NVIDIA driver"), (Driver((12, 4), ()), "off", "no GPU"), (NEW, "ok", "H200; driver for CUDA 13.1")])
def test_gpu(driver, state, found):
    line = gpu_line(driver)
    assert line.state == state and found in line.found


@pytest.mark.parametrize("driver, packages, state, remedy", [
    (None, {}, "off", "not needed"),
    (OLD, {}, "off", "limner[cuda12]"),
    (NEW, {}, "off", "limner[cuda13]"),
    (Driver((14, 0), ("x",)), {}, "off", "limner[cuda13]"),                  # newer than any build: the newest runs
    (OLD, {"cupy-cuda12x": "14.2"}, "ok", ""),
    (NEW, {"cupy-cuda12x": "14.2"}, "ok", ""),                               # drivers run older CUDA
    (OLD, {"cupy-cuda13x": "14.2"}, "bad", "limner[cuda12]"),
    (OLD, {"cupy-cuda12x": "14.2", "cupy-cuda13x": "14.2"}, "bad", "pip uninstall cupy-cuda12x cupy-cuda13x")])
def test_cupy_and_driver_agree(driver, packages, state, remedy):
    line = cupy_line(driver, packages)
    assert line.state == state and remedy in line.remedy


@pytest.mark.parametrize("driver, version, state", [
    (None, None, "off"), (None, "2.13.0+cpu", "ok"), (NEW, "2.13.0+cpu", "bad"), (NEW, "2.13.0+cu130", "ok"), (NEW, "2.13.0", "ok")])
def test_torch(driver, version, state):
    assert torch_line(driver, {"torch": version} if version else {}).state == state


class PaperCuda:
    """libcuda's four calls that are made, on a machine with two GPUs."""

    def __init__(self, path):
        assert path in ("libcuda.so.1", "nvcuda.dll")

    def cuDriverGetVersion(self, version):
        version._obj.value = 13010
        return 0

    def cuInit(self, flags):
        return 0

    def cuDeviceGetCount(self, count):
        count._obj.value = 2
        return 0

    def cuDeviceGet(self, device, index):
        device._obj.value = index
        return 0

    def cuDeviceGetName(self, name, size, device):
        name.value = b"NVIDIA H200 #%d" % device.value
        return 0


def test_the_driver_is_asked(monkeypatch):
    monkeypatch.setattr("ctypes.CDLL", PaperCuda)
    assert read_driver() == Driver((13, 1), ("NVIDIA H200 #0", "NVIDIA H200 #1"))
    monkeypatch.setattr(PaperCuda, "cuInit", lambda self, flags: 100)        # CUDA_ERROR_NO_DEVICE
    assert read_driver() == Driver((13, 1), ())


def test_this_machine_is_read_without_harm():
    driver = read_driver()
    assert driver is None or driver.cuda >= (9, 0)
    assert [f.name for f in findings()] == ["gpu", "cupy", "torch"]
