"""One network on one lane: for one animator, or for many that then draw together what is due together."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from limner.cuda.lane import Lane
from limner.models.batching import Batcher
from limner.models.devices import enough_memory

S = TypeVar("S")
Item = tuple[Any, NDArray[np.float32]]           # an encoded source frame and what is heard with it


class Live(Protocol[S]):
    """A network with its source frames encoded beforehand, as `Drawing` sees it."""

    def draw_many(self, sources: Sequence[S], heard: Tensor) -> Tensor:
        """Source frames of any portraits with sound [n, ...] -> RGB [n, 3, H', W'] in 0..1, valid until the next call."""


class Drawing(Generic[S]):
    """NumPy in, NumPy out. `make` builds the network on the lane. `shared` gathers the draws of several sessions
    (`models.batching`) and makes calls from several threads safe."""

    def __init__(self, make: Callable[[], Live[S]], lane: Lane, *, shared: bool = False) -> None:
        self._lane = lane
        self.live = lane.call(make)
        self.batcher: Batcher[Item, NDArray[np.float32]] | None = Batcher(self._draw, lane=lane) if shared else None

    def each(self, work: Callable[[Tensor], Any], arrays: Iterable[NDArray[np.float32]]) -> list[Any]:
        """`work` on every array as a tensor [1, ...] of the device, one call of the lane for each, so that those who are
        drawing wait for one at most. DeviceError when memory runs out."""
        lane = self._lane
        with enough_memory(lane.device):
            return [lane.call(lambda one=one: work(lane.upload(one[None]))) for one in arrays]

    def draw(self, session: Any, source: S, heard: NDArray[np.float32]) -> NDArray[np.float32]:
        """An encoded source frame with the mouth of this sound: f32 [H', W', 3] RGB, 0..255. DeviceError when memory runs out."""
        with enough_memory(self._lane.device):
            if self.batcher:
                return self.batcher.draw(session, (source, heard))
            return self._lane.fitting(self._draw, [(source, heard)])[0]

    def _draw(self, items: Sequence[Item]) -> list[NDArray[np.float32]]:
        sources, heard = zip(*items, strict=True)
        drawn = self.live.draw_many(sources, self._lane.upload(np.stack(heard)))
        with torch.inference_mode():
            pictures = (drawn * 255).permute(0, 2, 3, 1)
        return list(self._lane.download(pictures))
