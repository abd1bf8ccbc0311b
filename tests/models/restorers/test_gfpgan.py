import torch
from limner.models.restorers.gfpgan import build_network

from tests.golden import cases as golden


@golden.cases("gfpgan")
def test_equals_the_published_network(path):
    case = golden.read(path)
    network = golden.load(build_network(), case.name, case.seed)
    with torch.inference_mode():
        restored = network.restore(*case.tensors())
    case.check("y", restored.image)
    for name in case.outputs:
        if name.startswith("rgb"):
            case.check(name, restored.pyramid[int(name[3:])])
