"""Which device the neural networks run on."""

import contextlib
from collections.abc import Iterator

from limner.cuda import lane
from limner.engine.errors import DeviceError


def choose(name: str) -> str:
    """A torch device name for "auto", "cpu" or "cuda:N". DeviceError when a GPU is asked for that is not there."""
    try:
        return lane.choose(name)
    except lane.NoDevice as error:
        raise DeviceError(f"--device {error}") from error


@contextlib.contextmanager
def enough_memory(device: str) -> Iterator[None]:
    """Memory of `device` that runs out inside is a DeviceError that says what helps."""
    try:
        yield
    except Exception as error:
        if not lane.is_out_of_memory(error):
            raise
        raise DeviceError(f"{device}: not enough memory for this network; close other programs on it, use fewer sessions, "
                          "a smaller --size or --device cpu") from error
