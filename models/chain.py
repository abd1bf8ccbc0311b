"""A drawn mouth, a restorer and an interpolator as one recipe: drawing, paste, restored face, picture in between, I420.

One recording, one copy in (sound and a handful of numbers) and one out (the planes of all its pictures). What a session keeps
from picture to picture stays on the device and goes through the recording as tensors. float32 is kept for the paste, the
restorer's memory and AMT, whose flows are places; the restorer's network runs in `dtype`, the drawing in its own.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from limner.models import planes
from limner.models.amt.live import follow
from limner.models.amt.network import AMT
from limner.models.restoration import recorded
from limner.models.restoration.governor import Way
from limner.models.restoration.live import Restorer

MAPS = 6                                         # tensors AMT keeps of a picture
HALF = 0.5                                       # the instant drawn between two pictures


@dataclass(frozen=True, slots=True)
class Chained:
    """The recipe of `models.drawing` for pictures of `size` (H, W): `restorer` goes its `way` with each, `network` draws the
    picture half way from the one before. Either may be None.

    Numbers: opacity; those of `recorded.restored` where that runs; the mean AMT takes off and the instant. Tensors: the seat's;
    place and memory of the restorer where that runs; the maps of the picture before. Gives u8 [n, k, H 3/2, W], the picture in
    between before the picture itself; then memory and maps anew.
    """

    size: tuple[int, int]
    way: Way
    restorer: Restorer | None
    network: AMT | None
    dtype: torch.dtype = torch.float32           # of the restorer's network
    most: ClassVar[int] = 4

    @property
    def count(self) -> int:
        return planes.COUNT + self._restores * recorded.COUNT + (self.network is not None) * MAPS

    @property
    def _restores(self) -> bool:
        return self.way is not Way.PASS

    def constants(self) -> Mapping[str, Any]:
        """The weights of both networks."""
        restores = self.restorer.whole.constants() if self._restores else {}
        follows = {} if self.network is None else self.network.state_dict(keep_vars=True)
        return {f"{name}.{key}": value for name, part in (("restorer", restores), ("interpolator", follows))
                for key, value in part.items()}

    def __call__(self, drawn: Tensor, numbers: Tensor, *tensors: Tensor) -> tuple[Tensor, ...]:
        laid, tensors = tensors[:planes.COUNT], tensors[planes.COUNT:]
        opacity, numbers = numbers[:, 0], numbers[:, 1:]
        picture, memory = planes.pasted(drawn, *laid, opacity), []
        if self._restores:
            taken = tensors[:recorded.COUNT]
            picture, *memory = recorded.restored(self.restorer, self.way, self.dtype, picture, numbers, *taken)
            tensors, numbers = tensors[recorded.COUNT:], numbers[:, recorded.NUMBERS:]
        pictures, maps = picture[:, None], []
        if self.network is not None:
            between, *maps = follow(self.network, picture, numbers[:, 0], numbers[:, 1:2], *tensors)
            pictures = torch.cat([between, pictures], 1)
        return planes.i420(pictures.flatten(0, 1)).unflatten(0, pictures.shape[:2]), *memory, *maps
