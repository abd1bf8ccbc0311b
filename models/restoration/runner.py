"""From a published network and its checkpoint to a frame stage."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from limner.cuda.graph import Graphed
from limner.cuda.lane import Lane, open_lane
from limner.models import devices
from limner.models.weights import load_weights, missing_weights

from .live import RestorationStage, Restorer

FALLBACK = "use sharpen, which needs none"


def step(network: nn.Module, call: Callable[[nn.Module, Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """`call(network, x)` on [n, 3, H, W] in [-1, 1] as a step from and to pictures u8 RGB [n, H, W, 3], clamped and rounded.

    Fixed shapes, no decision on content: fit to be recorded.
    """
    @torch.inference_mode()
    def restore(faces: Tensor) -> Tensor:
        y = call(network, faces.permute(0, 3, 1, 2).float() / 127.5 - 1).float()         # half precision holds no 256 levels
        return ((y.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).permute(0, 2, 3, 1).contiguous()

    return restore


class Runner:
    """A network on `lane`, recorded on its first call, as a function of pictures [H, W, 3]. `step` is what is recorded, for
    who records it together with more; `constants` is what it reads."""

    def __init__(self, network: nn.Module, call: Callable[[nn.Module, Tensor], Tensor], lane: Lane) -> None:
        self.device = lane.device
        self.step, self.constants = step(network, call), partial(network.state_dict, keep_vars=True)
        self._lane, self._recorded = lane, Graphed(self.step, sizes=(1,), constants=self.constants)

    def __call__(self, face: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """DeviceError when memory runs out."""
        with devices.enough_memory(self.device):
            return self._lane.fitting(self._work, [face])[0]

    def _work(self, faces: list[NDArray[np.uint8]]) -> list[NDArray[np.uint8]]:
        lane = self._lane
        return [lane.download(self._recorded(lane.upload(face[None])))[0] for face in faces]


def detector() -> Callable[[NDArray[np.uint8]], NDArray | None]:
    """Finds the largest face of a picture: five points [5, 2] px, or None. Raises MissingPackage on its first call."""
    from limner.models.portrait import find_faces

    from .align import five_points

    def find(picture: NDArray[np.uint8]) -> NDArray | None:
        faces = find_faces(picture)
        return five_points(max(faces, key=lambda face: face.eyes).landmarks) if faces else None

    return find


MakeStage = Callable[[float | None], RestorationStage]       # of milliseconds per frame


def maker(name: str, build: Callable[[], nn.Module], weights: Path | None, device: str,
          call: Callable[[nn.Module, Tensor], Tensor] = lambda network, x: network(x), *, prefixes: tuple[str, ...] = ("module.",),
          mouth: Callable[[nn.Module, Tensor], Tensor] | None = None, **about: object) -> MakeStage:
    """Load network `name` of the catalogue, to be put on any number of streams.

    `call` and `mouth` run it on [n, 3, 512, 512]; `about` goes to `Restorer`. With a budget the cost is measured when a stage
    is made, before its first frame. On a GPU all stages share what is recorded; on the CPU each runs on a thread of its own.
    Raises WeightsError without weights or for another network's.
    """
    if weights is None:
        raise missing_weights(name, FALLBACK)
    chosen = devices.choose(device)
    network = load_weights(build(), weights, name, prefer="params_ema", prefixes=prefixes).to(chosen)

    def restorer() -> Restorer:
        lane = open_lane(chosen)
        return Restorer(Runner(network, call, lane), mouth=None if mouth is None else Runner(network, mouth, lane), **about)

    one = None if chosen == "cpu" else restorer()

    def make(budget_ms: float | None) -> RestorationStage:
        made = RestorationStage(one or restorer(), budget_ms=budget_ms, find=detector())
        if budget_ms is not None:
            made.measure()
        return made

    return make
