import numpy as np
import pytest
import torch
from limner.models.restorers.codeformer import build_network

from tests.golden import cases as golden


@pytest.fixture(scope="module")
def loaded():
    built = {}

    def get(seed):
        if seed not in built:
            built[seed] = golden.load(build_network(), "codeformer", seed)
        return built[seed]

    return get


@golden.cases("codeformer")
def test_equals_the_published_network(path, loaded):
    case = golden.read(path)
    x, w = case.tensors()
    with torch.inference_mode():
        restored = loaded(case.seed).restore(x, float(w))
    np.testing.assert_array_equal(restored.codes.numpy(), case.outputs["code_idx"])
    case.check("y", restored.image)
    case.check("logits_max", restored.logits.amax(dim=2))
    case.check("lq_mean", restored.features.mean(dim=(2, 3)))
