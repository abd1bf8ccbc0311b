"""Reading checkpoint files without running anything that is in them.

Formats: PyTorch's zip and older pickle files (`weights_only=True`), TorchScript archives (read as data, never as a
program) and safetensors. Sizes are compared with the file's own before anything is allocated.
"""

import pickle
import pickletools
import zipfile
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch

from limner.engine.errors import MissingPackage, TooLarge, WeightsError

from . import torchscript

MOST_BYTES = 4 << 30                         # of a checkpoint; the largest published one here has 0.8 GB
_SLACK = 64 << 20                           # TorchScript archives compress their program text
_FREE = 1 << 20                              # numbers up to this may mean anything (versions, step counts)
_MAGIC = 0x1950A86A20F9469CFC6C              # PyTorch's own first pickle in files older than 1.6


def read(path: Path) -> dict:
    """The checkpoint as nested dicts of tensors and plain values, on the host.

    Raises WeightsError when the file is missing, damaged, of no known format or holds anything that would have to be
    executed; TooLarge above `MOST_BYTES`.
    """
    size, head = _look(path)
    if head.startswith(b"PK"):
        content = _read_zip(path, size)
    elif head[:1] == b"\x80":
        content = _read_pickle(path, size)
    elif head[8:9] == b"{":
        content = _read_safetensors(path)
    else:
        raise WeightsError(f"{path}: not a checkpoint (no PyTorch, TorchScript or safetensors header); give the published weights file")
    if not isinstance(content, dict):
        raise WeightsError(f"{path}: holds a {type(content).__name__}, expected a dict of tensors; give the published weights file")
    return content


def _look(path: Path) -> tuple[int, bytes]:
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            head = file.read(16)
    except OSError as error:
        raise WeightsError(f"{path}: cannot read the weights ({error.strerror}); check the path") from error
    if size > MOST_BYTES:
        raise TooLarge(f"{path}: {size >> 20} MiB, at most {MOST_BYTES >> 20} MiB of weights are accepted")
    return size, head


def _read_zip(path: Path, size: int) -> object:
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        raise _damaged(path, error) from error
    if sum(entry.file_size for entry in entries) > size + _SLACK:
        raise WeightsError(f"{path}: claims to unpack to more than its own size, which no checkpoint does; fetch it again")
    if any(entry.filename.endswith("/constants.pkl") for entry in entries):
        return torchscript.read(path)
    return _load(path)


def _read_pickle(path: Path, size: int) -> object:
    """Older files state the length of every tensor in the pickle; none may be longer than the file."""
    try:
        with path.open("rb") as file:
            for _ in range(4):                               # magic, version, machine, content; tensors follow
                for _, value, _ in pickletools.genops(file):
                    if isinstance(value, int) and value > max(size, _FREE) and value != _MAGIC:
                        raise WeightsError(f"{path}: states more data than the file holds; fetch it again")
    except (ValueError, EOFError, IndexError, UnicodeDecodeError, OverflowError) as error:
        raise _damaged(path, error) from error
    return _load(path)


def _numbers() -> list:
    """NumPy numbers, which training scripts like to leave beside their tensors: plain values, nothing is run."""
    from numpy._core.multiarray import scalar

    kinds = [type(np.dtype(kind)) for kind in (np.float64, np.float32, np.int64, np.int32, np.bool_)]
    return [(scalar, "numpy.core.multiarray.scalar"), (scalar, "numpy._core.multiarray.scalar"), np.dtype, *kinds]


def _load(path: Path) -> object:
    try:
        with torch.serialization.safe_globals(_numbers()):
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if "weights" in str(error).lower():
            raise WeightsError(
                f"{path}: holds Python objects that would have to be run to be read ({_first_global(error)}), refused; "
                "expected tensors only: save its state_dict alone, or fetch the file from its authors") from error
        raise _damaged(path, error) from error
    except (RuntimeError, ValueError, EOFError, KeyError, IndexError, TypeError, AttributeError, OSError, MemoryError) as error:
        raise _damaged(path, error) from error


def _first_global(error: Exception) -> str:
    words = [word.strip("`'\",.") for word in str(error).replace("\n", " ").split()]
    after = [b for a, b in pairwise(words) if a in ("GLOBAL", "global:", "REDUCE", "global")]
    return after[0] if after else "an object"


def _read_safetensors(path: Path) -> dict:
    try:
        from safetensors import SafetensorError
        from safetensors.torch import load_file
    except ImportError as error:
        raise MissingPackage("reading .safetensors needs the package safetensors; install it: pip install 'limner[neural]'") from error
    try:
        return load_file(path)
    except (SafetensorError, ValueError, OSError) as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> WeightsError:
    reason = str(error).strip().splitlines()[0][:120] if str(error).strip() else type(error).__name__
    return WeightsError(f"{path}: damaged or cut short ({reason}); fetch it again")


def tensors_in(content: dict, depth: int = 3) -> dict[str, dict[str, torch.Tensor]]:
    """Every dict of tensors inside a checkpoint, by where it lies ("state_dict/net_g", "" for the whole file)."""
    found: dict[str, dict[str, torch.Tensor]] = {}
    own = {key: value for key, value in content.items() if isinstance(key, str) and isinstance(value, torch.Tensor)}
    if own:
        found[""] = own
    if depth:
        for key, value in content.items():
            if isinstance(key, str) and isinstance(value, dict):
                inner = tensors_in(value, depth - 1)
                found.update({f"{key}/{place}".rstrip("/"): tensors for place, tensors in inner.items()})
    return found
