"""Pictures and networks for the portrait tests."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from limner.models import modelfiles
from limner.models.avatar import Avatar


@pytest.fixture(scope="session")
def networks() -> None:
    """Skips where the portrait networks are not on this machine; a test never fetches them."""
    pytest.importorskip("ai_edge_litert", reason="ai-edge-litert is not installed")
    missing = [name for name in modelfiles.FILES if modelfiles.find(name) is None]
    if missing:
        pytest.skip(f"{missing[0]} is not here: run 'python -m limner.models.modelfiles' once")


@pytest.fixture(scope="session")
def astronaut() -> NDArray[np.uint8]:
    """NASA's public-domain portrait, u8 RGB [512, 512, 3]."""
    data = pytest.importorskip("skimage.data", reason="scikit-image is not installed")
    return data.astronaut()


@pytest.fixture(scope="session")
def avatar(networks: None, astronaut: NDArray[np.uint8]) -> Avatar:
    """The astronaut, measured once for all tests."""
    from limner.models.portrait import make_avatar

    return make_avatar(astronaut, name="astronaut")


@pytest.fixture(scope="session")
def portraits(shared: Path) -> Path:
    """The folder of real portraits beside the checkout, or a skip."""
    folder = shared / "data" / "portrait"
    if not folder.is_dir():
        pytest.skip("the reference portraits are not here")
    return folder
