"""The kernels compiled for the CPU by a C++ compiler and launched by the product's own launchers on NumPy arrays."""

import ctypes
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np

from limner.cuda import source

HERE = Path(__file__).resolve().parent
COMPILER = shutil.which("g++")


def build(name: str, folder: Path) -> Path:
    """One .cu file as a shared library that exports `launch_KERNEL` for each of its kernels."""
    flags = ["-std=c++17", f"-I{HERE}", f"-I{source.FOLDER}"]
    text = f'#include "host.h"\n#include "{name}.cu"\n#include "half.h"\n'
    entry = folder / f"{name}.cpp"
    entry.write_text(text)
    plain = subprocess.run([COMPILER, "-E", "-P", *flags, entry], capture_output=True, text=True, check=True).stdout
    names = re.findall(r'extern "C" __attribute__\(\(noinline\)\) void (\w+)\s*\(', plain)
    barriers = "true" if "__syncthreads();" in source.read(name) else "false"
    entry.write_text(text + "".join(f"EXPORT({kernel}, {barriers})\n" for kernel in names))
    library = folder / f"{name}.so"
    command = [COMPILER, "-O2", "-ffp-contract=off", "-fPIC", "-shared", "-w", *flags, entry, "-o", library]
    subprocess.run(command, check=True, capture_output=True, text=True)
    return library


class HostDevice:
    """`limner.cuda.source.Device` on the CPU, with NumPy arrays."""

    def __init__(self, folder: Path):
        self._folder, self._libraries = folder, {}

    def owns(self, array: object) -> bool:
        return isinstance(array, np.ndarray)

    def place(self, array: object) -> str:
        return f"a {type(array).__module__}.{type(array).__name__}"

    def address(self, array: np.ndarray) -> int:
        return array.ctypes.data

    def empty(self, shape: tuple[int, ...], dtype: object) -> np.ndarray:
        """Memory full of junk, at an address the device's allocator could give."""
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        raw = np.full(size + 16, 0xA5, np.uint8)
        start = -raw.ctypes.data % 16
        return raw[start:start + size].view(dtype).reshape(shape)

    def upload(self, array: np.ndarray) -> np.ndarray:
        out = self.empty(array.shape, array.dtype)
        out[...] = array
        return out

    def launch(self, name: str, kernel: str, grid: tuple[int, ...], block: tuple[int, ...], arguments: list) -> None:
        if name not in self._libraries:
            self._libraries[name] = ctypes.CDLL(str(build(name, self._folder)))
        call = getattr(self._libraries[name], f"launch_{kernel}")
        values = [ctypes.c_void_p(a.ctypes.data) if np.ndim(a) else np.ctypeslib.as_ctypes(np.array(a)) for a in arguments]
        pointers = (ctypes.c_void_p * len(values))(*(ctypes.addressof(v) for v in values))
        three = ctypes.c_uint * 3
        wanted = call(three(*grid), three(*block), pointers, len(values))
        assert wanted == -1, f"{kernel} takes {wanted} arguments, got {len(values)}"


class RoundTrip(HostDevice):
    """The real device for the same tests: every launch takes its NumPy arrays there and back."""

    def launch(self, name: str, kernel: str, grid: tuple[int, ...], block: tuple[int, ...], arguments: list) -> None:
        import cupy

        there = [cupy.asarray(a) if np.ndim(a) else a for a in arguments]
        source.Device().launch(name, kernel, grid, block, there)
        for mine, device in zip(arguments, there, strict=True):
            if np.ndim(mine):
                mine[...] = cupy.asnumpy(device)
