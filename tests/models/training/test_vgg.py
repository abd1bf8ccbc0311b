import pytest
import torch

from limner.engine.errors import WeightsError
from limner.models.dinet.losses import VGG19Features
from limner.models.training.vgg import load_vgg


def torchvision_state(network):
    state = {f"features.{key.split('.', 1)[1]}": value for key, value in network.state_dict().items() if key.startswith("slice")}
    for index in (30, 32, 34):                                           # conv5_2 to conv5_4, which the loss does not use
        state[f"features.{index}.weight"], state[f"features.{index}.bias"] = torch.zeros(512, 512, 3, 3), torch.zeros(512)
    return state | {"classifier.6.weight": torch.zeros(10, 10)}


def test_torchvision_layout(tmp_path):
    torch.manual_seed(0)
    network = VGG19Features()
    torch.save(torchvision_state(network), tmp_path / "vgg.pth")
    loaded = load_vgg(tmp_path / "vgg.pth")
    assert all(torch.equal(a, loaded.state_dict()[k]) for k, a in network.state_dict().items())
    torch.save(network.state_dict(), tmp_path / "own.pth")
    load_vgg(tmp_path / "own.pth")


def test_another_network(tmp_path):
    torch.save({"features.0.weight": torch.zeros(64, 3, 3, 3)}, tmp_path / "v.pth")
    with pytest.raises(WeightsError, match="VGG-19"):
        load_vgg(tmp_path / "v.pth")
