"""Settings every test shares. No test reads a wall clock, opens a non-loopback socket or downloads anything."""

import os

# Two OpenMP threads that spin on a busy two-core machine make small torch operations a hundred times slower.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("OMP_NUM_THREADS", "1")

from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of reference material beside the checkout (golden cases, real portraits and speech), or a skip."""
    folder = Path(os.environ.get("LIMNER_SHARED", REPO.parent / "shared"))
    if not folder.is_dir():
        pytest.skip("reference material is not here (set LIMNER_SHARED to its folder)")
    return folder
