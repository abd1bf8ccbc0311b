import numpy as np
import pytest
import torch

from limner.engine.errors import UsageError
from limner.models.restorers.gpen import build_network, create
from tests.golden import cases as golden


def check(path):
    case = golden.read(path)
    network = golden.load(build_network(case.name), case.name, case.seed)
    with torch.inference_mode():
        case.check("y", network(*case.tensors()))


@golden.cases("gpen256")
def test_256_equals_the_published_network(path):
    check(path)


@golden.cases("gpen512")
def test_512_equals_the_published_network(path):
    check(path)


def test_unknown_variant_is_named():
    with pytest.raises(UsageError, match="256, 512"):
        build_network("1024")


def empty(network):
    """Its state dict in a few bytes: zeros that share one element."""
    return {key: torch.zeros(1).expand(value.shape) for key, value in network.state_dict().items()}


def test_a_checkpoint_tells_its_own_size(tmp_path):
    torch.save(empty(build_network("256")), tmp_path / "GPEN-BFR-256.pth")
    stage = create(weights=tmp_path / "GPEN-BFR-256.pth", device="cpu")
    assert stage.restorer.layout == "arcface" and stage.restorer.border == (0, 0, 0)
    face = np.full((512, 512, 3), 200, np.uint8)
    assert (stage.restorer.whole(face) == 128).all()            # zero weights draw mid grey, at the size of the crop


def test_constant_kernels_need_not_be_in_the_file(tmp_path):
    state = {key: value for key, value in empty(build_network("256")).items() if not key.endswith("kernel")}
    torch.save(state, tmp_path / "w.pth")
    create(weights=tmp_path / "w.pth", device="cpu")
    network = build_network("256")
    assert network.ecd1[0][0].kernel.sum() == 1 and network.generator.to_rgbs[0].upsample.kernel.sum() == 4
