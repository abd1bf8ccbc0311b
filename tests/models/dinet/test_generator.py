import pytest
import torch

from limner.models.animators.dinet import build_network
from tests.golden import cases as golden


@golden.cases("dinet")
def test_equals_the_published_network(path):
    case = golden.read(path)
    network = golden.load(build_network(), "dinet", case.seed)
    seen = {}
    network.adaAT.register_forward_hook(lambda _, inputs, output: seen.update(code=inputs[1], mean=output.mean((2, 3))))
    with torch.inference_mode():
        picture = network(*case.tensors())
    case.check("y", picture)
    case.check("img_para", seen["code"][:, :128])
    case.check("audio_para", seen["code"][:, 128:])
    case.check("adaat_mean", seen["mean"])


@pytest.mark.parametrize(("height", "width"), [(53, 41), (24, 40)])
def test_any_size_gives_a_multiple_of_four(height, width):
    torch.manual_seed(0)
    network = build_network().eval()
    with torch.inference_mode():
        picture = network(torch.rand(2, 3, height, width), torch.rand(2, 15, height, width), torch.randn(2, 29, 5))
    assert picture.shape == (2, 3, -(-height // 4) * 4, -(-width // 4) * 4)
    assert picture.min() >= 0 and picture.max() <= 1


def test_pictures_of_a_batch_do_not_meet():
    torch.manual_seed(1)
    network = build_network().eval()
    inputs = torch.rand(2, 3, 48, 40), torch.rand(2, 15, 48, 40), torch.randn(2, 29, 5)
    with torch.inference_mode():
        both = network(*inputs)
        alone = network(*(x[1:] for x in inputs))
    torch.testing.assert_close(both[1:], alone, atol=1e-5, rtol=0)      # float32 rounding of another blocking
