"""One network on one lane: for one animator, or for many that then draw together what is due together."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from limner.cuda.graph import Graphed
from limner.cuda.lane import Lane
from limner.models import planes
from limner.models.batching import Batcher
from limner.models.devices import enough_memory
from limner.models.paste import Patch
from limner.models.planes import Seat

S = TypeVar("S")
Laid = tuple[Seat, float]                        # where a drawing goes and how much of it is shown, 0..1
Item = tuple[Any, NDArray[np.float32], Laid | None]      # an encoded source frame, what is heard with it; None: stays a drawing


class Live(Protocol[S]):
    """A network with its source frames encoded beforehand, as `Drawing` sees it."""

    def draw_many(self, sources: Sequence[S], heard: Tensor) -> Tensor:
        """Source frames of any portraits with sound [n, ...] -> RGB [n, 3, H', W'] in 0..1, valid until the next call."""

    def inputs(self, sources: Sequence[S]) -> tuple[Tensor, ...]:
        """What `decode` takes for these frames besides what is heard."""

    def decode(self, *inputs: Tensor) -> Tensor:
        """`inputs` and sound -> RGB [n, 3, H', W'] in 0..1, fit to be recorded."""

    def constants(self) -> dict[str, Tensor]:
        """What a recording of `decode` reads and must stay in its place."""


class Drawing(Generic[S]):
    """NumPy in, NumPy out. `make` builds the network on the lane. `shared` gathers the draws of several sessions
    (`models.batching`) and makes calls from several threads safe. `finishes` says whether pictures are finished on the
    lane's device (`planes`); by default where that is a GPU."""

    def __init__(self, make: Callable[[], Live[S]], lane: Lane, *, shared: bool = False, finishes: bool | None = None) -> None:
        self._lane = lane
        self.finishes = lane.device != "cpu" if finishes is None else finishes
        self.live = lane.call(make)
        self._finishers: dict[tuple[int, int], Graphed] = {}     # by the size of the picture
        self.batcher: Batcher[Item, NDArray] | None = Batcher(self._draw, lane=lane) if shared else None

    def each(self, work: Callable[[Tensor], Any], arrays: Iterable[NDArray[np.float32]]) -> list[Any]:
        """`work` on every array as a tensor [1, ...] of the device, one call of the lane for each, so that those who are
        drawing wait for one at most. DeviceError when memory runs out."""
        lane = self._lane
        with enough_memory(lane.device):
            return [lane.call(lambda one=one: work(lane.upload(one[None]))) for one in arrays]

    def seats(self, frames: Iterable[NDArray[np.uint8]], patches: Iterable[Patch]) -> list[Seat]:
        """Source frames [H, W, 3] as `planes` needs them, one call of the lane for each. DeviceError when memory runs out."""
        lane = self._lane
        with enough_memory(lane.device):
            return [lane.call(lambda one=one: planes.seat(*one, lane.upload)) for one in zip(frames, patches, strict=True)]

    def draw(self, session: Any, source: S, heard: NDArray[np.float32]) -> NDArray[np.float32]:
        """An encoded source frame with the mouth of this sound: f32 [H', W', 3] RGB, 0..255. DeviceError when memory runs out."""
        return self._one(session, (source, heard, None))

    def planes(self, session: Any, source: S, heard: NDArray[np.float32], seat: Seat, shown: float) -> NDArray[np.uint8]:
        """The whole picture, I420 [H 3/2, W]: the drawing laid into its source frame, `shown` of it. DeviceError as `draw`."""
        return self._one(session, (source, heard, (seat, shown)))

    def _one(self, session: Any, item: Item) -> NDArray:
        with enough_memory(self._lane.device):
            if self.batcher:
                return self.batcher.draw(session, item)
            return self._lane.fitting(self._draw, [item])[0]

    def _draw(self, items: Sequence[Item]) -> list[NDArray]:
        """What is drawn alike goes together: drawings, and pictures of one size."""
        alike: dict[tuple[int, int] | None, list[int]] = {}
        for number, (_, _, laid) in enumerate(items):
            alike.setdefault(laid and laid[0].size, []).append(number)
        done: dict[int, NDArray] = {}
        for size, numbers in alike.items():
            done.update(zip(numbers, self._alike([items[number] for number in numbers], size), strict=True))
        return [done[number] for number in range(len(items))]

    def _alike(self, items: Sequence[Item], size: tuple[int, int] | None) -> NDArray:
        sources, heard, laid = zip(*items, strict=True)
        sound = self._lane.upload(np.stack(heard))
        if size is None:
            with torch.inference_mode():
                return self._lane.download((self.live.draw_many(sources, sound) * 255).permute(0, 2, 3, 1))
        seats, shown = zip(*laid, strict=True)
        with torch.inference_mode():
            inputs = *self.live.inputs(sources), sound, *planes.together(seats, self._lane.upload(np.float32(shown)))
        return self._lane.download(self._finisher(size)(*inputs))

    def _finisher(self, size: tuple[int, int]) -> Graphed:
        if size not in self._finishers:
            self._finishers[size] = Graphed(self.finish, constants=self.live.constants)
        return self._finishers[size]

    @torch.inference_mode()
    def finish(self, *inputs: Tensor) -> Tensor:
        """What `decode` takes, then what `planes.planes` takes: I420 u8 [n, H 3/2, W]. Fit to be recorded."""
        return planes.planes(self.live.decode(*inputs[:-planes.COUNT]), *inputs[-planes.COUNT:])
