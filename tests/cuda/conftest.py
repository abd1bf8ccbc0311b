import pytest

from limner.cuda import kernels
from tests.cuda import host


@pytest.fixture(scope="session")
def compiled(tmp_path_factory):
    """A device on the CPU, whose kernels are compiled once per run."""
    if host.COMPILER is None:
        pytest.skip("no g++ to compile the kernels for the CPU")
    return host.HostDevice(tmp_path_factory.mktemp("kernels"))


@pytest.fixture(scope="session")
def card(tmp_path_factory):
    """The CUDA device behind the same interface."""
    cupy = pytest.importorskip("cupy")
    if not cupy.cuda.is_available():
        pytest.skip("no CUDA device")
    return host.RoundTrip(tmp_path_factory.mktemp("kernels"))


@pytest.fixture(params=["compiled", pytest.param("card", marks=pytest.mark.gpu)])
def put(request, monkeypatch):
    """The launchers of `limner.cuda.kernels` on the kernels compiled for the CPU and on a GPU; gives what makes arrays."""
    device = request.getfixturevalue(request.param)
    monkeypatch.setattr(kernels, "device", device)
    return device.upload
