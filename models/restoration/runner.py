"""From a published network and its checkpoint to a frame stage."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from limner.models import devices
from limner.models.weights import load_weights, missing_weights

from .live import RestorationStage, Restorer

FALLBACK = "use sharpen, which needs none"
Call = Callable[[NDArray[np.uint8]], NDArray[np.uint8]]


def to_tensor(face: NDArray[np.uint8], device: str) -> Tensor:
    """u8 RGB [H, W, 3] -> [1, 3, H, W] in [-1, 1]."""
    x = torch.from_numpy(np.ascontiguousarray(face)).to(device).permute(2, 0, 1)[None]
    return x.float() / 127.5 - 1


def to_picture(x: Tensor) -> NDArray[np.uint8]:
    """[1, 3, H, W] in about [-1, 1] -> u8 RGB [H, W, 3], clamped and rounded."""
    y = ((x[0].clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
    return y.permute(1, 2, 0).contiguous().cpu().numpy()


def runner(call: Callable[[Tensor], Tensor], device: str) -> Call:
    """`call` on tensors as a function of pictures."""
    def run(face: NDArray[np.uint8]) -> NDArray[np.uint8]:
        with torch.inference_mode():
            return to_picture(call(to_tensor(face, device)))

    return run


def detector() -> Callable[[NDArray[np.uint8]], NDArray | None]:
    """Finds the largest face of a picture: five points [5, 2] px, or None. Raises MissingPackage on its first call."""
    from limner.models.portrait import find_faces

    from .align import five_points

    def find(picture: NDArray[np.uint8]) -> NDArray | None:
        faces = find_faces(picture)
        return five_points(max(faces, key=lambda face: face.eyes).landmarks) if faces else None

    return find


def stage(name: str, build: Callable[[], nn.Module], weights: Path | None, budget_ms: float | None, device: str,
          call: Callable[[nn.Module, Tensor], Tensor] = lambda network, x: network(x), *, prefixes: tuple[str, ...] = ("module.",),
          mouth: Callable[[nn.Module, Tensor], Tensor] | None = None, **about: object) -> RestorationStage:
    """Load network `name` of the catalogue and put it on a stream.

    `call` and `mouth` run it on [1, 3, 512, 512]; `about` goes to `Restorer`. With a budget the cost is measured here,
    before the first frame. Raises WeightsError without weights or for another network's.
    """
    if weights is None:
        raise missing_weights(name, FALLBACK)
    device = devices.choose(device)
    network = load_weights(build(), weights, name, prefer="params_ema", prefixes=prefixes).to(device)
    part = None if mouth is None else runner(lambda x: mouth(network, x), device)
    restorer = Restorer(runner(lambda x: call(network, x), device), mouth=part, **about)
    made = RestorationStage(restorer, budget_ms=budget_ms, find=detector())
    if budget_ms is not None:
        made.measure()
    return made
