"""Which device the neural networks run on."""

import torch
from limner.engine.errors import DeviceError


def choose(name: str) -> str:
    """A torch device name for "auto", "cpu" or "cuda:N". DeviceError when a GPU is asked for that is not there."""
    count = torch.cuda.device_count()
    if name == "auto":
        return "cuda:0" if count else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise DeviceError(f"--device {name}: expected auto, cpu or cuda:N") from error
    if device.type not in ("cpu", "cuda"):
        raise DeviceError(f"--device {name}: expected auto, cpu or cuda:N")
    if device.type == "cuda" and (device.index or 0) >= count:
        raise DeviceError(f"--device {name}: {count} CUDA devices are usable here; choose another or cpu")
    return str(device)
