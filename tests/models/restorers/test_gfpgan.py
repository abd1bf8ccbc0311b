import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from limner.engine.errors import WeightsError
from limner.models.restoration import runner
from limner.models.restoration.gfpgan import StyleConv
from limner.models.restoration.live import MOUTH
from limner.models.restorers.gfpgan import MOUTH_COST, build_network, create, mouth
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


def test_the_mouth_alone_is_part_of_the_whole_at_the_stated_cost():
    torch.manual_seed(0)
    network = build_network().eval().requires_grad_(False)
    for block in network.modules():
        if isinstance(block, StyleConv):
            block.weight.data.fill_(0.1)                     # noise on, so that its place is checked too
    x = torch.rand(1, 3, 512, 512) * 2 - 1
    with torch.no_grad():
        with FlopCounterMode(display=False) as flops_whole:
            whole = network(x)
        with FlopCounterMode(display=False) as flops_mouth:
            part = mouth(network, x)
    top, left, bottom, right = MOUTH
    torch.testing.assert_close(part, whole[..., top:bottom, left:right], atol=1e-4, rtol=0)
    assert abs(flops_mouth.get_total_flops() / flops_whole.get_total_flops() - MOUTH_COST) < 0.03


def test_the_averaged_weights_of_a_checkpoint_are_taken(tmp_path):
    torch.manual_seed(0)
    network = build_network()
    path = tmp_path / "GFPGANv1.4.pth"
    raw = {key: torch.zeros(1).expand(value.shape) for key, value in network.state_dict().items()}
    torch.save({"params": raw, "params_ema": network.state_dict()}, path)
    make = runner.maker("gfpgan", build_network, path, "cpu", lambda n, x: x + n.final_conv.bias[:3].view(1, 3, 1, 1))
    stage = make(None)
    bias = network.final_conv.bias[:3].detach().numpy()
    face = np.full((512, 512, 3), 128, np.uint8)
    other = make(None).restorer.whole.constants(), stage.restorer.whole.constants()
    assert all(other[0][name] is other[1][name] for name in other[0])        # one network, a thread for each on the CPU
    np.testing.assert_allclose(stage.restorer.whole(face)[0, 0], np.rint(128 + 127.5 * bias), atol=1)
    made = create(weights=path, device="cpu")
    assert (made.delay, made.restores, made.governor.budget) == (0, True, None)


def test_without_weights_the_way_out_is_named():
    with pytest.raises(WeightsError, match=r"GFPGANv1\.4\.pth.*use sharpen"):
        create()
