"""Training states on disk: written whole or not at all, in the published nesting, loadable without running anything."""

from pathlib import Path

import torch

from limner.engine.errors import OutputError, WeightsError
from limner.models import checkpoint


def save(path: Path, content: dict) -> None:
    """Write tensors and plain values to `path`, replacing what was there only once everything is written."""
    path = Path(path)
    partial = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.save(content, partial)
        partial.replace(path)
    except (OSError, RuntimeError) as error:
        partial.unlink(missing_ok=True)
        raise OutputError(f"{path}: cannot write the checkpoint ({error}); free some space or choose another folder") from error


def restore(path: Path, modules: dict[str, torch.nn.Module], optimisers: dict[str, torch.optim.Optimizer]) -> dict:
    """Load a state that `save` wrote; returns its plain values. WeightsError when it is of another training."""
    content = checkpoint.read(path)
    try:
        for name, module in modules.items():
            module.load_state_dict(content["state_dict"][name])
        for name, optimiser in optimisers.items():
            optimiser.load_state_dict(content["optimizer"][name])
    except (KeyError, RuntimeError, ValueError, TypeError, AttributeError) as error:
        reason = str(error).splitlines()[0][:100]
        raise WeightsError(f"{path}: not a state of this training ({reason}); give another output folder, or the same stage") from error
    return {key: value for key, value in content.items() if key not in ("state_dict", "optimizer")}
