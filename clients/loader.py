"""The file name is the registry: adding a model, a source or a sink is adding one file.

Folders are listed without importing anything, so a file whose optional package is missing breaks only itself.
Each registry file offers `create(...)`; an animator also names the extractor it listens to as `EXTRACTOR`,
"drivers/speech" for example.
"""

import importlib
import importlib.util
from pathlib import Path
from types import ModuleType

from limner.engine.errors import MissingPackage, UsageError

FOLDERS = {
    "features": "limner.models.features",
    "drivers": "limner.models.drivers",
    "animators": "limner.models.animators",
    "interpolators": "limner.models.interpolators",
    "restorers": "limner.models.restorers",
    "sources": "limner.streams.sources",
    "sinks": "limner.streams.sinks",
}
INSTALL = {                                   # module that failed to import -> what to install
    "torch": "pip install 'limner[neural]'",
    "safetensors": "pip install 'limner[neural]'",
    "ai_edge_litert": "pip install 'limner[rig]'",
    "sounddevice": "pip install 'limner[mic]'",
    "zmq": "pip install 'limner[zmq]'",
    "msgpack": "pip install 'limner[zmq]'",
    "pyvirtualcam": "pip install 'limner[camera]'",
    "cupy": "pip install 'limner[cuda12]' or 'limner[cuda13]'",
}


def names(kind: str) -> list[str]:
    """Names available in a registry folder, sorted. `kind` is a key of FOLDERS."""
    spec = importlib.util.find_spec(FOLDERS[kind])
    found = {p.stem for folder in spec.submodule_search_locations for p in Path(folder).glob("*.py")}
    return sorted(n for n in found if not n.startswith("_"))


def load(kind: str, name: str) -> ModuleType:
    """Import one registry file. UsageError for an unknown name, MissingPackage when its package is not installed."""
    if name not in names(kind):
        raise UsageError(f"no {kind[:-1]} is called {name!r}; there are: {', '.join(names(kind))}")
    return import_late(f"{FOLDERS[kind]}.{name}")


def work(name: str) -> ModuleType:
    """The file of `clients` that does the work of a command."""
    return import_late(f"limner.clients.{name}")


def import_late(module: str) -> ModuleType:
    """Import a module of ours, turning a missing optional package into one line with the install command."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        package = (error.name or "").split(".")[0]
        if package not in INSTALL:
            raise
        raise MissingPackage(f"{module.rsplit('.', 1)[-1]} needs the package {package}; install it: {INSTALL[package]}") from error
