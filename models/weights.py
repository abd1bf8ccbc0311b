"""From a published checkpoint file to a network, with every key and shape checked.

Files are recognised by what is in them, never by their name.
"""

from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

from limner.engine.errors import WeightsError

from . import checkpoint
from .catalogue import Published, by_name, recognise

State = dict[str, torch.Tensor]
WRAPPERS = ("module.",)                      # DataParallel and DistributedDataParallel


def unwrap(state: State, prefixes: tuple[str, ...] = WRAPPERS) -> State:
    """Keys without a wrapper's prefix, where every key has it."""
    for prefix in prefixes:
        if state and all(key.startswith(prefix) for key in state):
            state = {key.removeprefix(prefix): value for key, value in state.items()}
    return state


def state_dicts(path: Path, prefixes: tuple[str, ...] = WRAPPERS) -> dict[str, State]:
    """Every state dict in a checkpoint file, unwrapped, by where it lies ("state_dict/net_g", "" for a bare one)."""
    found = checkpoint.tensors_in(checkpoint.read(Path(path)))
    return {place: unwrap(state, prefixes) for place, state in found.items()}


def load_weights(network: nn.Module, path: Path, name: str, *, prefixes: tuple[str, ...] = WRAPPERS,
                 rename: Callable[[State], State] | None = None, prefer: str = "") -> nn.Module:
    """Fill `network` (called `name` in the catalogue) from `path`; returns it in evaluation mode.

    `prefer` names the place to take when several state dicts fit equally well (an EMA beside its original).
    Counters and the buffers a network names in `fixed_buffers` may be missing; every other key must be there with its
    shape, and no others.
    Raises WeightsError with the first differences and the network the file seems to belong to.
    """
    candidates = state_dicts(path, prefixes)
    if rename:
        candidates = {place: rename(state) for place, state in candidates.items()}
    if not candidates:
        raise WeightsError(f"{path}: holds no tensors; expected the {by_name(name).title}")
    wanted = network.state_dict()
    place = max(candidates, key=lambda p: (_overlap(wanted, candidates[p]), p.endswith(prefer) if prefer else 0))
    fill(network, candidates[place], path, name)
    return network.eval()


def fill(network: nn.Module, state: State, path: Path, name: str) -> None:
    """Give `network` the tensors of `state`; WeightsError unless keys, shapes and finiteness are right."""
    wanted = network.state_dict()
    optional = {key for key in wanted if key.endswith("num_batches_tracked")} | set(getattr(network, "fixed_buffers", ()))
    differences = compare(wanted, state, optional)
    if differences:
        raise WeightsError(mismatch(path, name, differences, recognise(shapes(state))))
    broken = next((key for key, value in state.items() if value.is_floating_point() and not value.isfinite().all()), None)
    if broken:
        raise WeightsError(f"{path}: {broken} is not finite, so the file is damaged or its training diverged; use another one")
    network.load_state_dict(wanted | {key: value for key, value in state.items() if key in wanted})


def shapes(state: State) -> dict[str, tuple[int, ...]]:
    return {key: tuple(value.shape) for key, value in state.items()}


def _overlap(wanted: State, state: State) -> int:
    return sum(key in state and state[key].shape == value.shape for key, value in wanted.items())


def compare(wanted: State, state: State, optional: set[str] = frozenset()) -> list[str]:
    """Differences between two state dicts in words, the most telling first; empty when they fit."""
    missing = [key for key in wanted if key not in state and key not in optional]
    extra = [key for key in state if key not in wanted]
    other = [key for key in wanted if key in state and wanted[key].shape != state[key].shape]
    told = []
    if other:
        key = other[0]
        told.append(f"{len(other)} of another shape, first {key} {list(state[key].shape)} instead of {list(wanted[key].shape)}")
    if missing:
        told.append(f"{len(missing)} of {len(wanted)} missing, first {missing[0]}")
    if extra:
        told.append(f"{len(extra)} unknown, first {extra[0]}")
    return told


def mismatch(path: Path, name: str, differences: list[str], likely: Published | None) -> str:
    entry = by_name(name)
    line = f"{path}: not the {entry.title}: tensors {'; '.join(differences)}"
    if likely and likely.name != name:
        return f"{line}. It looks like the {likely.title} ({likely.use})"
    return f"{line}. Expected {entry.file} from {entry.page}"


def identify(path: Path) -> list[Published]:
    """The networks found in a checkpoint file, in the order they lie there; empty when none is known."""
    known = (recognise(shapes(state)) for state in state_dicts(path).values())
    return [entry for entry in known if entry]


def missing_weights(name: str, fallback: str = "") -> WeightsError:
    """The error for a network that was asked for without its file."""
    entry = by_name(name)
    line = f"the {entry.title} needs its weights: {entry.file}, published at {entry.page} (licence: {entry.licence}); give it with {entry.use}"
    return WeightsError(f"{line}{'; or ' + fallback if fallback else ''}")
