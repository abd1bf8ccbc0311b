import pytest
import torch

from limner.engine.errors import UsageError
from limner.models.syncnet import build_network
from tests.golden import cases as golden


def run(path, name, variant):
    case = golden.read(path)
    network = golden.load(build_network(variant), name, case.seed)
    with torch.inference_mode():
        return case, network(*case.tensors())


@golden.cases("dinet.syncnet")
def test_dinet_equals_the_published_network(path):
    case, score = run(path, "dinet.syncnet", "dinet")
    case.check("y", score)


@golden.cases("wav2lip.syncnet")
def test_wav2lip_equals_the_published_network(path):
    case, answer = run(path, "wav2lip.syncnet", "wav2lip")
    for output in ("audio", "video", "cos"):
        case.check(output, getattr(answer, output))


@golden.cases("syncnet_v2")
def test_v2_equals_the_published_network(path):
    case, answer = run(path, "syncnet_v2", "v2")
    for output in ("lip", "aud", "lipfeat"):
        case.check(output, getattr(answer, output))


def test_unknown_network_is_named():
    with pytest.raises(UsageError, match="dinet, wav2lip, v2"):
        build_network("v3")
