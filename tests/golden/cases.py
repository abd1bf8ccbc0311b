"""Golden cases: what the published networks gave for weights and inputs that anyone can regenerate.

A case is one file `NAME/case_SEED[_variant].npz` of the reference material beside the checkout. Nothing here knows a
particular case: whatever lies in the folder is run.
"""

import importlib.util
import json
import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

REPO = Path(__file__).resolve().parents[2]
FOLDER = Path(os.environ.get("LIMNER_SHARED", REPO.parent / "shared")) / "models" / "golden"


@dataclass(frozen=True)
class Case:
    """One recorded call. `inputs` and `outputs` keep the order of the file; inputs are as the network takes them."""

    name: str                                # golden folder, e.g. "dinet.syncnet"
    seed: int
    meta: dict
    inputs: dict[str, np.ndarray]
    outputs: dict[str, np.ndarray]

    def tensors(self) -> list[torch.Tensor]:
        """The inputs, in order, as tensors."""
        return [torch.from_numpy(np.ascontiguousarray(a)) for a in self.inputs.values()]

    def check(self, output: str, got: torch.Tensor | np.ndarray, *, least: float = 1e-5, noise: float = 10) -> float:
        """Assert equality up to `noise` times the recorded float32 noise, at least `least`; returns the difference."""
        want = self.outputs[output]
        got = got.detach().numpy() if isinstance(got, torch.Tensor) else got
        assert got.shape == want.shape, f"{output}: shape {got.shape}, published {want.shape}"
        assert np.isfinite(got).all(), f"{output}: not finite"
        difference = float(np.abs(got.astype(np.float64) - want).max())
        limit = max(noise * self.meta.get("fp32_noise", {}).get(output, 0.0), least)
        assert difference <= limit, f"{output}: max difference {difference:.3g}, limit {limit:.3g}"
        return difference


def cases(name: str) -> pytest.MarkDecorator:
    """Parametrise a test over every case of golden folder `name`; skips with a reason where there is none."""
    paths = sorted((FOLDER / name).glob("case_*.npz"))
    if not paths:
        absent = pytest.param(None, marks=pytest.mark.skip(reason=f"golden cases of {name} are not here"))
        return pytest.mark.parametrize("path", [absent])
    return pytest.mark.parametrize("path", paths, ids=[f"{name}-{p.stem}" for p in paths])


def read(path: Path) -> Case:
    with np.load(path, allow_pickle=False) as file:
        meta = json.loads(str(file["meta"]))
        arrays = {key: file[key] for key in file.files if key != "meta"}
    affine = meta.get("affine", {})
    raw = path.parent.name.endswith(("e2e", "facealign", ".pre", ".bfm"))    # replays keep their own dtypes
    inputs = {}
    for key, array in arrays.items():
        if key.startswith("in_"):
            inputs[key[3:]] = array if raw else _input(array, affine.get(key, affine.get(key[3:])))
    outputs = {key[4:]: array for key, array in arrays.items() if key.startswith("out_")}
    return Case(path.parent.name, int(meta["seed"]), meta, inputs, outputs)


def _input(array: np.ndarray, affine: tuple[float, float] | None) -> np.ndarray:
    if array.dtype == np.float16:                # whole numbers, stored small
        return array.astype(np.float32)
    if array.dtype != np.uint8:
        return array
    unit = (array / 255.0).astype(np.float32)
    return unit if affine is None else (unit * np.float32(affine[0]) + np.float32(affine[1])).astype(np.float32)


@cache
def recipe() -> ModuleType:
    """The weight recipe, which refuses to serve on a NumPy whose normal stream differs."""
    spec = importlib.util.spec_from_file_location("golden_recipe", FOLDER / "recipe.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.selftest() == (-1.737351, 23.908612), "this NumPy draws other normal numbers than the golden data"
    return module


def keys(name: str) -> dict[str, dict]:
    """State-dict key -> {"shape", "dtype"} of the published network."""
    return json.loads((FOLDER / name / "keys.json").read_text())


def state(name: str, seed: int) -> dict[str, torch.Tensor]:
    """Recipe weights of golden folder `name` (fixed buffers left out)."""
    arrays = recipe().make_state(keys(name), seed, name)
    return {key: torch.from_numpy(array) for key, array in arrays.items()}


def load(network: torch.nn.Module, name: str, seed: int) -> torch.nn.Module:
    """Check the network's keys and shapes against the published ones, give it the recipe's weights, set eval."""
    published = {key: tuple(entry["shape"]) for key, entry in keys(name).items()}
    own = {key: tuple(tensor.shape) for key, tensor in network.state_dict().items()}
    assert own == published
    weights = state(name, seed)
    kept = {key: tensor for key, tensor in network.state_dict().items() if key not in weights}
    network.load_state_dict(weights | kept)
    return network.eval()
