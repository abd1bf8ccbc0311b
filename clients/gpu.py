"""The NVIDIA driver, CuPy and torch on this machine and whether they agree, asked without loading either package."""

import ctypes
import importlib.metadata
import platform
from dataclasses import dataclass

from .doctor import Finding

CUPY = {"cupy-cuda11x": 11, "cupy-cuda12x": 12, "cupy-cuda13x": 13}
DRIVER = {11: "450", 12: "525", 13: "580"}       # oldest NVIDIA driver of a CUDA major version (minor compatibility)
NOT_NEEDED = "not needed: the embedded face runs on the CPU"


@dataclass(frozen=True, slots=True)
class Driver:
    """What libcuda says: the newest CUDA it can run, as (major, minor), and its devices' names."""

    cuda: tuple[int, int]
    devices: tuple[str, ...]


def read_driver() -> Driver | None:
    """The NVIDIA driver, or None where there is none."""
    try:
        cuda = ctypes.CDLL("nvcuda.dll" if platform.system() == "Windows" else "libcuda.so.1")
    except OSError:
        return None
    version, count = ctypes.c_int(), ctypes.c_int()
    cuda.cuDriverGetVersion(ctypes.byref(version))
    devices = []
    if cuda.cuInit(0) == 0 and cuda.cuDeviceGetCount(ctypes.byref(count)) == 0:
        for index in range(count.value):
            device, name = ctypes.c_int(), ctypes.create_string_buffer(100)
            cuda.cuDeviceGet(ctypes.byref(device), index)
            cuda.cuDeviceGetName(name, len(name), device)
            devices.append(name.value.decode(errors="replace"))
    return Driver((version.value // 1000, version.value % 1000 // 10), tuple(devices))


def versions() -> dict[str, str]:
    """Installed CuPy builds and torch, by package name."""
    found = {}
    for name in (*CUPY, "torch"):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def findings() -> list[Finding]:
    """GPU, CuPy and torch lines for this machine."""
    driver, packages = read_driver(), versions()
    return [gpu_line(driver), cupy_line(driver, packages), torch_line(driver, packages)]


def gpu_line(driver: Driver | None) -> Finding:
    if driver is None:
        return Finding("gpu", "off", "no NVIDIA driver", NOT_NEEDED)
    if not driver.devices:
        return Finding("gpu", "off", "an NVIDIA driver but no GPU it can use", "in a container: start it with --gpus all")
    return Finding("gpu", "ok", f"{', '.join(driver.devices)}; driver for CUDA {driver.cuda[0]}.{driver.cuda[1]}",
                   value=len(driver.devices))


def cupy_line(driver: Driver | None, packages: dict[str, str]) -> Finding:
    builds = [name for name in CUPY if name in packages]
    if driver is None or not driver.devices:
        return Finding("cupy", "off", f"{builds[0]} {packages[builds[0]]}, no GPU for it" if builds else "not installed", NOT_NEEDED)
    major = min(driver.cuda[0], max(CUPY.values()))
    right = f"pip install 'limner[cuda{major}]'"
    if not builds:
        return Finding("cupy", "off", "not installed; the GPU kernels need it", right)
    if len(builds) > 1:
        return Finding("cupy", "bad", f"{' and '.join(builds)} are both installed and overwrite each other",
                       f"pip uninstall {' '.join(builds)}; then {right}", len(builds))
    need = CUPY[builds[0]]
    if need > driver.cuda[0]:
        return Finding("cupy", "bad", f"{builds[0]} needs an NVIDIA driver of {DRIVER[need]} or newer, this one ends at CUDA "
                       f"{driver.cuda[0]}.{driver.cuda[1]}", f"update the driver, or pip uninstall {builds[0]}; {right}", need)
    return Finding("cupy", "ok", f"{builds[0]} {packages[builds[0]]}", value=need)


def torch_line(driver: Driver | None, packages: dict[str, str]) -> Finding:
    version = packages.get("torch")
    if not version:
        return Finding("torch", "off", "not installed; neural animators need it", "pip install 'limner[neural]'")
    if driver and driver.devices and version.endswith("+cpu"):
        return Finding("torch", "bad", f"{version} cannot use the GPU",
                       "pip uninstall torch, then install the CUDA build for your driver (pytorch.org, Start Locally)")
    return Finding("torch", "ok", version if driver else f"{version}, on the CPU")
