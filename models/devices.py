"""Which device the neural networks run on."""

from limner.cuda import lane
from limner.engine.errors import DeviceError


def choose(name: str) -> str:
    """A torch device name for "auto", "cpu" or "cuda:N". DeviceError when a GPU is asked for that is not there."""
    try:
        return lane.choose(name)
    except lane.NoDevice as error:
        raise DeviceError(f"--device {error}") from error
