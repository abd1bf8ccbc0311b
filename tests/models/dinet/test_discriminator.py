import pytest
import torch

from limner.models.dinet.discriminator import Discriminator
from tests.golden import cases as golden


def check(path, name, channels):
    case = golden.read(path)
    network = golden.load(Discriminator(channels), name, case.seed)
    with torch.inference_mode():
        features, score = network(*case.tensors())
    case.check("y", score)
    for number, feature in enumerate(features):
        case.check(f"fm{number}_mean", feature.mean((2, 3)))


@golden.cases("dinet.disc_frame")
def test_frame_equals_the_published_network(path):
    check(path, "dinet.disc_frame", 3)


@golden.cases("dinet.disc_clip")
def test_clip_equals_the_published_network(path):
    check(path, "dinet.disc_clip", 15)


def test_smallest_picture():
    network = Discriminator(3)
    assert network(torch.zeros(1, 3, 67, 67))[1].shape == (1, 1, 2, 2)
    with pytest.raises(RuntimeError):
        network(torch.zeros(1, 3, 40, 40))
