"""A step of fixed shapes recorded once per batch size and replayed: one launch for hundreds of kernels.

On the CPU, or when told so, the step itself is called; interface, checks and errors are the same, so that what passes
there is fit to be recorded. A recorded graph reads its inputs where they lay when it was recorded and its constants
(weights, tables) likewise: inputs are therefore copied into tensors of its own, and a constant that moved is an error
instead of a picture from freed memory.
"""

import contextlib
import importlib
import os
import threading
import weakref
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

SIZES = (1, 2, 4, 8, 16, 32)                     # batches a graph is recorded for; others are filled up to the next
WARM_UP = 3                                      # runs before recording: libraries choose algorithms and allocate in them
EAGER = "LIMNER_EAGER"                           # environment variable: "1" records nothing


class GraphError(ValueError):
    """A call that does not fit what was recorded."""


class ShapeChanged(GraphError):
    """An input's shape, without its first axis, or the number of inputs is not that of the first call."""


class TypeChanged(GraphError):
    """An input's dtype or device is not that of the first call."""


class BatchTooLarge(GraphError):
    """More items than the largest size recorded for."""


class ConstantChanged(GraphError):
    """A value the step was recorded with is another one now, or lies elsewhere."""


class _Switch:
    """How many `eager()` blocks are open, in the whole process: graphs are replayed on other threads than they open on."""

    def __init__(self) -> None:
        self.open, self.lock = 0, threading.Lock()


_switch = _Switch()
_recorder = threading.Lock()                     # PyTorch allows one recording at a time: to begin, it waits for the device


@contextlib.contextmanager
def eager() -> Iterator[None]:
    """Nothing is recorded or replayed inside, in any thread."""
    with _switch.lock:
        _switch.open += 1
    try:
        yield
    finally:
        with _switch.lock:
            _switch.open -= 1


def is_eager() -> bool:
    return _switch.open > 0 or os.environ.get(EAGER, "") not in ("", "0")


@dataclass(slots=True)
class _Recording:
    graph: Any                                   # torch.cuda.CUDAGraph
    inputs: list[Any]
    outputs: Any                                 # a tensor or a tuple of them


class Pool:
    """Device memory that recordings share of which only one runs at a time, and whose answers are read before the next runs.

    One stream for all of them: what is recorded on several does not share memory, and PyTorch's own for this belongs to the
    device that recorded first.
    """

    def __init__(self) -> None:
        self._handle: Any = None
        self._side: Any = None                   # torch.cuda.Stream
        self._graphs: weakref.WeakSet[Any] = weakref.WeakSet()

    def on(self, torch: Any, device: Any) -> tuple[Any, Any]:
        """The pool's handle and the stream to record on. A pool all of whose recordings are gone is gone with them."""
        if self._handle is None or not self._graphs:
            self._handle = torch.cuda.graph_pool_handle()
        self._side = self._side or torch.cuda.Stream(device)
        return self._handle, self._side

    def add(self, graph: Any) -> None:
        """A recording made in this pool."""
        self._graphs.add(graph)


class Graphed:
    """`step(*tensors) -> tensor or tuple of tensors`, batch first in each, recorded on a GPU.

    `constants` returns by name what the step reads besides its inputs: tensors must stay where they are (their content
    may change), anything else must stay equal. What a call returns is valid until the next one, or the next of another with
    the same `pool`. One thread at a time.
    """

    def __init__(self, step: Callable[..., Any], *, sizes: tuple[int, ...] = SIZES,
                 constants: Callable[[], Mapping[str, Any]] = dict, pool: Pool | None = None) -> None:
        self._step, self._sizes, self._constants = step, tuple(sorted(sizes)), constants
        self.recorded: dict[int, _Recording] = {}
        self._pool = pool or Pool()
        self._known: dict[str, Any] | None = None
        self._like: list[tuple[tuple[int, ...], Any, Any]] | None = None

    def __call__(self, *inputs: Any) -> Any:
        """Raises GraphError, one of its kinds, for inputs or constants other than those of the first call."""
        count = self._check(inputs)
        if not self._records(inputs):
            return self._step(*inputs)
        with importlib.import_module("torch").inference_mode():
            return self._replay(inputs, count)

    def prepare(self, *example: Any, sizes: tuple[int, ...] = (1,)) -> None:
        """Record what calls of `sizes` items like `example` will replay, where that is not done: it takes seconds, in which
        nothing else is drawn. Raises what such calls would raise; on the CPU it checks the same and records nothing."""
        self._check(example)
        wanted = sorted({fitting(size, self._sizes) for size in sizes})
        if self._records(example):
            with importlib.import_module("torch").inference_mode():
                for size in wanted:
                    self._recording(example, size)

    @staticmethod
    def _records(inputs: tuple[Any, ...]) -> bool:
        return inputs[0].device.type == "cuda" and not is_eager()

    def _recording(self, inputs: tuple[Any, ...], size: int) -> _Recording:
        if size not in self.recorded:
            self.recorded[size] = self._record(inputs, size)
        return self.recorded[size]

    def _replay(self, inputs: tuple[Any, ...], count: int) -> Any:
        recording = self._recording(inputs, fitting(count, self._sizes))
        for own, given in zip(recording.inputs, inputs, strict=True):
            own[:count].copy_(given, non_blocking=True)
        recording.graph.replay()
        if isinstance(recording.outputs, tuple):
            return tuple(each[:count] for each in recording.outputs)
        return recording.outputs[:count]

    def forget(self) -> None:
        """Drop what was recorded and take the next call as the first: after a change that was meant."""
        self.recorded.clear()
        self._known = self._like = None

    def _check(self, inputs: tuple[Any, ...]) -> int:
        like = [(tuple(each.shape[1:]), each.dtype, each.device) for each in inputs]
        if self._like is None:
            self._like, self._known = like, _known(self._constants())
        compare_inputs(self._like, like)
        counts = {each.shape[0] for each in inputs}
        if len(counts) != 1 or 0 in counts:
            raise ShapeChanged(f"inputs hold {', '.join(str(each.shape[0]) for each in inputs)} items; all must hold the "
                               "same number, at least one")
        compare_constants(self._known, _known(self._constants()))
        count = counts.pop()
        fitting(count, self._sizes)
        return count

    def _record(self, inputs: tuple[Any, ...], size: int) -> _Recording:
        """Run until warm, then record for `size` items."""
        torch = importlib.import_module("torch")
        own = [_room(torch, each, size) for each in inputs]
        for mine, given in zip(own, inputs, strict=True):
            mine[: len(given)].copy_(given[:size])
        here = torch.cuda.current_stream()
        pool, side = self._pool.on(torch, inputs[0].device)
        side.wait_stream(here)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.stream(side):                    # around the recording too: one that fails leaves no stream behind
            for _ in range(WARM_UP):
                self._step(*own)
            # Others may allocate meanwhile, but not wait for the device, which a recording in progress forbids.
            with _recorder, torch.cuda.graph(graph, pool=pool, stream=side, capture_error_mode="thread_local"):
                outputs = self._step(*own)
        here.wait_stream(side)
        self._pool.add(graph)
        return _Recording(graph, own, outputs)


def fitting(count: int, sizes: tuple[int, ...]) -> int:
    """The smallest of the ascending `sizes` that holds `count`. Raises BatchTooLarge."""
    for size in sizes:
        if count <= size:
            return size
    raise BatchTooLarge(f"{count} items in one call; at most {sizes[-1]}")


def compare_inputs(before: list[tuple], now: list[tuple]) -> None:
    """Raises ShapeChanged or TypeChanged, naming the input counted from 0."""
    if len(before) != len(now):
        raise ShapeChanged(f"{len(now)} inputs; recorded with {len(before)}")
    for number, (old, new) in enumerate(zip(before, now, strict=True)):
        if old[0] != new[0]:
            raise ShapeChanged(f"input {number} measures {new[0]} per item; recorded with {old[0]}")
        if old[1:] != new[1:]:
            raise TypeChanged(f"input {number} is {new[1]} on {new[2]}; recorded with {old[1]} on {old[2]}")


def compare_constants(before: dict[str, Any], now: dict[str, Any]) -> None:
    """Raises ConstantChanged, naming the first that differs."""
    if before == now:                            # every call comes here: at once, not name by name
        return
    for name in before.keys() | now.keys():
        if name not in before or name not in now:
            raise ConstantChanged(f"constant {name!r} {'came' if name in now else 'went'} since recording; call forget()")
        if before[name] != now[name]:
            raise ConstantChanged(f"constant {name!r} is not what was recorded; call forget() where that is meant")


def _known(constants: Mapping[str, Any]) -> dict[str, Any]:
    """What must stay: a tensor's place and form, anything else itself."""
    return {name: (value.data_ptr(), tuple(value.shape), value.dtype) if hasattr(value, "data_ptr") else value
            for name, value in constants.items()}


def _room(torch: Any, like: Any, size: int) -> Any:
    """Zeros for `size` items like those of `like`, in its memory layout."""
    last = like.dim() == 4 and like.is_contiguous(memory_format=torch.channels_last)
    layout = torch.channels_last if last else torch.contiguous_format
    return torch.empty((size, *like.shape[1:]), dtype=like.dtype, device=like.device, memory_format=layout).zero_()
