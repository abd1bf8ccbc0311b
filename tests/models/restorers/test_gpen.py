import pytest
import torch
from limner.engine.errors import UsageError
from limner.models.restorers.gpen import build_network

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
