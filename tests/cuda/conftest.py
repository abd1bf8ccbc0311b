import pytest
from limner.cuda import kernels

from tests.cuda import host


@pytest.fixture(scope="session")
def libraries(tmp_path_factory):
    """A device on the CPU, whose kernels are compiled once per run."""
    if host.COMPILER is None:
        pytest.skip("no g++ to compile the kernels for the CPU")
    return host.HostDevice(tmp_path_factory.mktemp("kernels"))


@pytest.fixture
def on_host(libraries, monkeypatch):
    """The launchers of `limner.cuda.kernels` on that device; gives its `upload`."""
    monkeypatch.setattr(kernels, "device", libraries)
    return libraries.upload
