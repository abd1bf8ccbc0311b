"""What `limner bench models` measures: a network's plain forward and the way it is run live, on the same inputs."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Run = Callable[[], NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class Subject:
    """One case, ready to be called again and again without counting what is done once per portrait.

    `plain` is the published network's own forward. `live` gives the same picture the way the engine draws it; None
    where the engine runs the plain forward. `limit` bounds the difference between the two (pictures in 0..1).
    """

    input: str                               # what the figures are for, e.g. "1x3x104x80"
    plain: Run
    live: Run | None = None
    limit: float = 1e-3


Subjects = dict[str, Callable[[], Subject]]
