import numpy as np
import torch
from limner.models.restorers.restoreformer import build_network

from tests.golden import cases as golden


@golden.cases("restoreformer")
def test_equals_the_published_network(path):
    case = golden.read(path)
    network = golden.load(build_network(), case.name, case.seed)
    with torch.inference_mode():
        restored = network.restore(*case.tensors())
    np.testing.assert_array_equal(restored.codes.numpy(), case.outputs["code_idx"])
    case.check("y", restored.image)
