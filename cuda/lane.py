"""One thread and one stream for everything that runs on a device; on a CPU, the same members without the device.

PyTorch and CuPy each have a current stream per thread. A lane makes both current on its own thread as the one stream,
so that their kernels follow each other in the order of the calls and arrays pass between them without waiting or
copying (DLPack). Whoever draws from another thread hands the lane a call.
"""

import asyncio
import contextlib
import importlib
import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from .hostpool import HostPool

T = TypeVar("T")
R = TypeVar("R")
PINNED = 256 << 20                               # bytes of page-locked memory a lane keeps at most


class NoDevice(ValueError):
    """The device asked for is unknown or not there."""


class OutOfMemory(MemoryError):
    """Not even one item fits into the device's memory."""


def choose(name: str) -> str:
    """A device for "auto" (the first GPU, else the CPU), "cpu" or "cuda:N". Raises NoDevice. Imports PyTorch."""
    torch = importlib.import_module("torch")
    count = torch.cuda.device_count()
    if name == "auto":
        return "cuda:0" if count else "cpu"
    kind, _, number = name.partition(":")
    if name != "cpu" and (kind != "cuda" or not (number.isdecimal() or name == "cuda")):
        raise NoDevice(f"{name}: expected auto, cpu or cuda:N")
    if kind == "cuda" and int(number or 0) >= count:
        raise NoDevice(f"{name}: {count} CUDA devices are usable here; choose another or cpu")
    return name


def is_out_of_memory(error: BaseException) -> bool:
    """Whether PyTorch, CuPy or the host says so; each has its own type, PyTorch's CPU allocator none at all."""
    if isinstance(error, MemoryError) or type(error).__name__ in ("OutOfMemoryError", "CUDAOutOfMemoryError"):
        return True
    return isinstance(error, RuntimeError) and ("out of memory" in str(error) or "can't allocate memory" in str(error))


class Lane:
    """Calls in order on one thread of their own. `device` is "cpu" here and "cuda:N" in `CudaLane`.

    The thread ends with `close`, or when nobody holds the lane any more.
    """

    def __init__(self, device: str = "cpu") -> None:
        self.device = device
        self.most: int | None = None             # items one call may hold, once memory ran out
        self._executor = ThreadPoolExecutor(1, thread_name_prefix=f"limner-{device}", initializer=_enter,
                                            initargs=(weakref.ref(self),))
        self._thread: threading.Thread | None = None

    def _enter(self) -> None:
        self._thread = threading.current_thread()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    @property
    def arrays(self) -> Any:
        """The array library whose arrays live on this device: NumPy, or CuPy on a GPU."""
        return np

    async def run(self, work: Callable[[], T]) -> T:
        """`work()` on the lane, awaited: what a live session asks of a lane."""
        return await asyncio.get_running_loop().run_in_executor(self._executor, work)

    def call(self, work: Callable[[], T]) -> T:
        """`work()` on the lane, waited for; at once when already there."""
        if threading.current_thread() is self._thread:
            return work()
        return self._executor.submit(work).result()

    def upload(self, array: NDArray) -> Any:
        """A host array as a tensor on the device: one copy on a GPU, none on the CPU."""
        return importlib.import_module("torch").from_numpy(np.ascontiguousarray(array))

    def download(self, tensor: Any) -> NDArray:
        """A tensor of the device as a host array, complete when this returns: one copy on a GPU, none on the CPU."""
        return tensor.detach().contiguous().numpy()

    def tensor(self, array: Any) -> Any:
        """An array of `arrays` as a tensor of the same memory."""
        return importlib.import_module("torch").from_dlpack(array)

    def array(self, tensor: Any) -> Any:
        """A tensor as an array of `arrays` of the same memory."""
        return self.arrays.from_dlpack(tensor.detach())

    def fitting(self, work: Callable[[Sequence[T]], Sequence[R]], items: Sequence[T]) -> list[R]:
        """`work` on all items, on the lane; in parts of half the size each time memory runs out, and from then on.

        Raises OutOfMemory when one item alone does not fit.
        """
        return self.call(lambda: self._fitting(work, items))

    def _fitting(self, work: Callable[[Sequence[T]], Sequence[R]], items: Sequence[T]) -> list[R]:
        done: list[R] = []
        while len(done) < len(items):
            part = items[len(done):len(done) + (self.most or len(items))]
            short = False
            try:
                done += work(part)
            except Exception as error:
                if not is_out_of_memory(error):
                    raise
                short = True
            if short:                            # outside `except`: the traceback holds what the call had allocated
                self._halve(len(part))
        return done

    def _halve(self, count: int) -> None:
        self.shorten(count // 2)

    def shorten(self, most: int) -> None:
        """Memory ran out: from now on calls hold at most `most` items, or fewer. Raises OutOfMemory for 0."""
        self.release()
        if most == 0:
            raise OutOfMemory(f"{self.device}: its memory does not hold one item")
        self.most = min(most, self.most or most)

    def release(self) -> None:
        """Give unused cached memory back to the device."""

    def close(self) -> None:
        """End the thread; calls still waiting are dropped."""
        self._executor.shutdown(wait=False, cancel_futures=True)


def _enter(lane: "weakref.ref[Lane]") -> None:
    """What the thread begins with. It keeps its arguments for life: a lane among them would never be forgotten."""
    lane()._enter()


class CudaLane(Lane):
    """A lane on a GPU. `pool` holds the page-locked memory copies go through.

    Raises NoDevice where PyTorch finds no such device. CuPy takes part where it is installed.
    """

    def __init__(self, device: str = "cuda:0", *, pinned: int = PINNED) -> None:
        super().__init__(choose(device))
        self._torch = importlib.import_module("torch")
        self._cupy = _cupy()
        self._index = self._torch.device(self.device).index or 0
        self.stream = self._torch.cuda.Stream(self._index)
        self.pool = HostPool(pinned, lambda count: self._torch.empty(count, dtype=self._torch.uint8, pin_memory=True).numpy())
        self._flying: list[tuple[Any, NDArray]] = []     # uploads under way: (event, page-locked source)

    def _enter(self) -> None:
        """Make the stream current for as long as the thread lives."""
        super()._enter()
        self._torch.cuda.set_device(self._index)
        self._torch.cuda.set_stream(self.stream)
        if self._cupy:
            self._cupy.cuda.Device(self._index).use()
            self._cupy.cuda.ExternalStream(self.stream.cuda_stream, self._index).use()

    @property
    def arrays(self) -> Any:
        if self._cupy is None:
            raise NoDevice(f"{self.device}: CuPy is not installed; pip install 'limner[cuda12]' or 'limner[cuda13]'")
        return self._cupy

    def upload(self, array: NDArray) -> Any:
        def work():
            self._flying = [(event, kept) for event, kept in self._flying if not event.query()]
            source = self.pool.lend(array.shape, array.dtype)
            np.copyto(source, array)
            tensor = self._torch.from_numpy(source).to(self.device, non_blocking=True)
            self._flying.append((self.stream.record_event(), source))
            return tensor

        return self.call(work)

    def download(self, tensor: Any) -> NDArray:
        def work():
            ready = tensor.detach().contiguous()
            dtype = self._torch.empty(0, dtype=ready.dtype).numpy().dtype
            target = self.pool.lend(tuple(ready.shape), dtype)
            self._torch.from_numpy(target).copy_(ready, non_blocking=True)
            self.stream.record_event().synchronize()
            return target

        return self.call(work)

    def release(self) -> None:
        self._torch.cuda.empty_cache()
        if self._cupy:
            self._cupy.get_default_memory_pool().free_all_blocks()


def _cupy() -> Any:
    """CuPy where it is installed and finds its libraries; `limner doctor` says what keeps it from that."""
    try:
        return importlib.import_module("cupy")
    except ImportError:
        return None


@contextlib.contextmanager
def shared_stream() -> Iterator[Any]:
    """CuPy, with PyTorch's current stream as its own: what is launched inside follows PyTorch's kernels, and is recorded
    with them. Raises NoDevice where CuPy cannot be had."""
    cupy, torch = _cupy(), importlib.import_module("torch")
    if cupy is None:
        raise NoDevice("CuPy is not installed; pip install 'limner[cuda12]' or 'limner[cuda13]'")
    with cupy.cuda.ExternalStream(torch.cuda.current_stream().cuda_stream, torch.cuda.current_device()):
        yield cupy


def open_lane(name: str = "auto") -> Lane:
    """The lane for "auto", "cpu" or "cuda:N". Raises NoDevice."""
    device = choose(name)
    return Lane() if device == "cpu" else CudaLane(device)
