import numpy as np
import pytest
import torch

from limner.engine.errors import UsageError
from limner.models.restoration.codeformer import adapt
from limner.models.restorers.codeformer import build_network, create
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


def test_fidelity_has_its_range():
    with pytest.raises(UsageError, match=r"0 \(cleanest\) to 1"):
        create(fidelity=1.5)


@torch.inference_mode()
def test_the_code_takes_on_the_features_statistics():
    x, to = torch.randn(1, 4, 16, 16), 3 * torch.randn(1, 4, 16, 16) + 2
    y = adapt(x, to)
    torch.testing.assert_close(y.mean(dim=(2, 3)), to.mean(dim=(2, 3)), atol=1e-4, rtol=0)
    torch.testing.assert_close(y.var(dim=(2, 3)), to.var(dim=(2, 3)), atol=1e-3, rtol=1e-3)
