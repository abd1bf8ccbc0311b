"""TorchScript archives read as data: the tensors of the saved module, none of its code.

An archive is a zip with `data.pkl` (the module's attributes, nested) and one file per storage under `data/`. Loading
one with `torch.jit.load` would compile the program inside; here only inert stand-ins for its classes are made.
"""

import io
import pickle
import zipfile
from collections import OrderedDict
from pathlib import Path

import torch

from limner.engine.errors import WeightsError

_MOST_PICKLE = 64 << 20
_DTYPES = {
    "FloatStorage": torch.float32, "DoubleStorage": torch.float64, "HalfStorage": torch.float16, "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64, "IntStorage": torch.int32, "ShortStorage": torch.int16, "CharStorage": torch.int8,
    "ByteStorage": torch.uint8, "BoolStorage": torch.bool,
}


class _Module:
    """Stand-in for any class of the archive: keeps its attributes, does nothing."""

    def __setstate__(self, state: object) -> None:
        self.attributes = state if isinstance(state, dict) else {}


def _stand_in(*_: object) -> list:
    return []


def read(path: Path) -> dict[str, torch.Tensor]:
    """The state dict of the module in a TorchScript archive. Raises WeightsError for anything but tensors and nesting."""
    try:
        with zipfile.ZipFile(path) as archive:
            return _collect(_Reader(archive).module())
    except (zipfile.BadZipFile, pickle.UnpicklingError, KeyError, IndexError, ValueError, EOFError, TypeError, AttributeError,
            RuntimeError, OSError, MemoryError, RecursionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0][:120] if str(error) else type(error).__name__
        raise WeightsError(f"{path}: not a readable TorchScript archive ({reason}); fetch it again, or save its state_dict") from error


class _Reader:
    def __init__(self, archive: zipfile.ZipFile):
        self.archive = archive
        self.root = next(n for n in archive.namelist() if n.endswith("/data.pkl")).removesuffix("data.pkl")
        self.storages: dict[str, torch.Tensor] = {}

    def module(self) -> object:
        info = self.archive.getinfo(self.root + "data.pkl")
        if info.file_size > _MOST_PICKLE:
            raise ValueError(f"{info.file_size} bytes of structure")
        unpickler = _Unpickler(io.BytesIO(self.archive.read(info)))
        unpickler.persistent_load = self.storage
        return unpickler.load()

    def storage(self, reference: tuple) -> torch.Tensor:
        """One storage as a flat tensor, read once however many tensors share it."""
        kind, dtype, key, _, count = reference
        if kind != "storage" or not isinstance(dtype, torch.dtype):
            raise ValueError("a reference that is no storage")
        if key not in self.storages:
            info = self.archive.getinfo(f"{self.root}data/{key}")
            if info.file_size != count * dtype.itemsize:
                raise ValueError(f"storage {key} holds {info.file_size} bytes, stated {count} values")
            self.storages[key] = torch.frombuffer(bytearray(self.archive.read(info)), dtype=dtype)
        return self.storages[key]


def _tensor(storage: torch.Tensor, offset: int, shape: tuple, stride: tuple, *_: object) -> torch.Tensor:
    return torch.as_strided(storage, shape, stride, offset)      # refuses to reach outside the storage


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> object:
        if module == "torch" and name in _DTYPES:
            return _DTYPES[name]
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _tensor
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if module == "torch.jit._pickle":
            return _stand_in
        if module == "__torch__" or module.startswith("__torch__."):
            return _Module
        raise pickle.UnpicklingError(f"refused {module}.{name}")


def _collect(node: object, prefix: str = "") -> dict[str, torch.Tensor]:
    found: dict[str, torch.Tensor] = {}
    for name, value in getattr(node, "attributes", {}).items():
        if isinstance(value, torch.Tensor):
            found[prefix + name] = value
        elif isinstance(value, _Module):
            found.update(_collect(value, f"{prefix}{name}."))
    return found
