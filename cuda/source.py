"""The kernels' source, and the CUDA device they run on through CuPy: compile, allocate, launch.

Each `.cu` file is compiled by NVRTC when its first kernel is launched, for the architecture of the current device, and
kept: in this process per device, and by CuPy on disk. Nothing here is loaded before it is needed, so the folder imports
on machines with neither a GPU nor CuPy.
"""

import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
NAMES = ("affine", "blend", "colour", "correlation", "raster", "warp")
# Gradients of thin triangles magnify the last bit: they must round as on the host.
_EXTRA = {"raster": ("--fmad=false",)}


def read(name: str) -> str:
    """The source of one file, what it includes pasted in: NVRTC then needs no include path."""
    text = (FOLDER / f"{name}.cu").read_text()
    return re.sub(r'^#include "([\w.]+)"$', lambda m: (FOLDER / m[1]).read_text().replace("#pragma once\n", ""), text,
                  flags=re.MULTILINE)


def options(name: str) -> tuple[str, ...]:
    """Compiler options of one file, good for both NVRTC and nvcc."""
    return ("--std=c++17", *_EXTRA.get(name, ()))


@cache
def _kernel(name: str, kernel: str, device: int) -> Any:
    return _module(name, device).get_function(kernel)


@cache
def _module(name: str, device: int) -> Any:
    return _cupy().RawModule(code=read(name), options=options(name), backend="nvrtc")


@cache
def _cupy() -> Any:
    try:
        import cupy
    except ImportError as error:
        raise ImportError("the GPU kernels need CuPy: pip install 'limner[cuda12]' or 'limner[cuda13]', as the NVIDIA "
                          "driver allows (limner doctor says which)") from error
    return cupy


class Device:
    """The current CUDA device and stream of CuPy. Launches are asynchronous, in the order of the stream."""

    def owns(self, array: Any) -> bool:
        """Whether `array` is a CuPy array on the current device."""
        cupy = _cupy()
        return isinstance(array, cupy.ndarray) and array.device.id == cupy.cuda.runtime.getDevice()

    def place(self, array: Any) -> str:
        """Where an array is, for messages."""
        kind = type(array)
        return f"on cuda:{array.device.id}" if isinstance(array, _cupy().ndarray) else f"a {kind.__module__}.{kind.__name__}"

    def address(self, array: Any) -> int:
        return array.data.ptr

    def empty(self, shape: Sequence[int], dtype: Any) -> Any:
        return _cupy().empty(tuple(shape), dtype)

    def upload(self, array: Any) -> Any:
        """A host array copied to the device."""
        return _cupy().asarray(array)

    def launch(self, name: str, kernel: str, grid: Sequence[int], block: Sequence[int], arguments: Sequence[Any]) -> None:
        """Start `kernel` of file `name` on the current stream; arguments are arrays and NumPy scalars."""
        device = _cupy().cuda.runtime.getDevice()
        _kernel(name, kernel, device)(tuple(grid), tuple(block), tuple(arguments))
