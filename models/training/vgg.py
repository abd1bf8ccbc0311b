"""VGG-19 as torchvision publishes it, for DINet's perception loss."""

from pathlib import Path

from limner.models.dinet.losses import VGG19Features
from limner.models.weights import State, load_weights


def load_vgg(path: Path) -> VGG19Features:
    """The feature layers of `vgg19-dcbb9e9d.pth` (or our own layout). WeightsError when the file is another network."""
    return load_weights(VGG19Features(), path, "vgg19", rename=to_slices)


def to_slices(state: State) -> State:
    """torchvision's `features.N.*` under the slice each layer belongs to; classifier layers are not needed."""
    if not any(key.startswith("features.") for key in state):
        return state
    owner = {key.split(".", 1)[1]: key for key in VGG19Features().state_dict() if key.startswith("slice")}
    renamed = {owner.get(key.removeprefix("features.")): value for key, value in state.items() if key.startswith("features.")}
    return {key: value for key, value in renamed.items() if key}
