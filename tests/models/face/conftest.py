"""One seated face per bundled avatar, and expressions by name."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from limner.engine.types import ARKIT, ARKIT_INDEX
from limner.models.avatar import Avatar, bundled_avatars, load_avatar
from limner.models.face.renderer import FaceRenderer

Weights = Callable[..., NDArray[np.float32]]


def named(**values: float) -> NDArray[np.float32]:
    """Weights [52]; a name without Left or Right sets both sides."""
    out = np.zeros(len(ARKIT), np.float32)
    for name, value in values.items():
        keys = [k for k in (name, name + "Left", name + "Right") if k in ARKIT_INDEX]
        assert keys, name
        out[[ARKIT_INDEX[k] for k in keys]] = value
    return out


@pytest.fixture(scope="session")
def weights() -> Weights:
    return named


@pytest.fixture(scope="session", params=bundled_avatars())
def pack(request: pytest.FixtureRequest) -> Avatar:
    """Every avatar that ships."""
    return load_avatar(request.param)


@pytest.fixture(scope="session")
def renderer(pack: Avatar) -> FaceRenderer:
    """The face of `pack`, drawn at 256 px: every part is the same as at 512, and a quarter of the work."""
    portrait = pack.portrait
    return FaceRenderer(portrait.image, portrait.landmarks, portrait.mask, pack.background, 256)
