"""One DINet on one lane: for one animator, or for many that then draw together what is due together."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from limner.cuda.lane import Lane
from limner.models.batching import Batcher
from limner.models.devices import enough_memory

from .generator import DINet
from .live import LiveDINet, Source

Item = tuple[Source, NDArray[np.float32]]


class Drawing:
    """NumPy in, NumPy out. `shared` gathers the draws of several sessions (`models.batching`) and makes calls from
    several threads safe."""

    def __init__(self, network: DINet, lane: Lane, *, shared: bool = False) -> None:
        self._lane = lane
        self._live = lane.call(lambda: LiveDINet(network.to(lane.device)))
        self.batcher: Batcher[Item, NDArray[np.float32]] | None = Batcher(self._draw, lane=lane) if shared else None

    def prepare(self, references: NDArray[np.float32], sources: NDArray[np.float32]) -> list[Source]:
        """Encode references [1, 15, H, W] and source frames [n, 3, H, W]. Frame by frame, so that those who are drawing
        wait for one frame's encoding at most."""
        lane = self._lane
        with enough_memory(lane.device):
            reference = lane.call(lambda: self._live.refer(lane.upload(references)))
            return [lane.call(lambda one=one: self._live.encode(lane.upload(one[None]), reference)) for one in sources]

    def draw(self, session: Any, source: Source, audio: NDArray[np.float32]) -> NDArray[np.float32]:
        """An encoded source frame with the mouth of speech [29, 5]: f32 [H', W', 3] RGB, 0..255. DeviceError when memory runs out."""
        with enough_memory(self._lane.device):
            if self.batcher:
                return self.batcher.draw(session, (source, audio))
            return self._lane.fitting(self._draw, [(source, audio)])[0]

    def _draw(self, items: Sequence[Item]) -> list[NDArray[np.float32]]:
        sources, audio = zip(*items, strict=True)
        drawn = self._live.draw_many(sources, self._lane.upload(np.stack(audio)))
        with torch.inference_mode():
            pictures = (drawn * 255).permute(0, 2, 3, 1)
        return list(self._lane.download(pictures))
