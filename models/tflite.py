"""Run one TensorFlow Lite network on one thread, without TensorFlow."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from limner.engine.errors import MissingPackage

from .modelfiles import require


class Network:
    """A loaded network with fixed shapes. Calls from several threads wait for each other."""

    def __init__(self, name: str) -> None:
        try:
            from ai_edge_litert.interpreter import Interpreter
        except ImportError:
            raise MissingPackage("measuring a new portrait needs ai-edge-litert, which is not installed: "
                                 "run 'pip install limner[rig]', or use a bundled avatar or an .avatar file") from None
        path = str(require(name))
        with _native_stderr_off():
            self._net = Interpreter(path, num_threads=1)
            self._net.allocate_tensors()
        self._lock = Lock()
        self._input = self._net.get_input_details()[0]
        self._outputs = {int(np.prod(d["shape"])): d["index"] for d in self._net.get_output_details()}

    def __call__(self, image: NDArray[np.float32]) -> dict[int, NDArray[np.float32]]:
        """Outputs flat, keyed by their number of elements (unique in every network used here).

        `image` is f32 [H, W, 3] of the network's own size and value range.
        """
        with self._lock:
            self._net.set_tensor(self._input["index"], np.ascontiguousarray(image[None], dtype=np.float32))
            self._net.invoke()
            return {n: self._net.get_tensor(index).reshape(-1) for n, index in self._outputs.items()}


@contextmanager
def _native_stderr_off() -> Iterator[None]:
    """The runtime's C++ side announces its delegate on file descriptor 2, and no setting of it is quieter."""
    try:
        kept = os.dup(2)
    except OSError:                                  # started without a stderr: nothing to keep clean
        yield
        return
    try:
        with Path(os.devnull).open("wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


@cache
def network(name: str) -> Network:
    """The network `name` (see `modelfiles.FILES`), loaded once per process."""
    return Network(name)
