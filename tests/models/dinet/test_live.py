import copy

import numpy as np
import pytest
import torch
from torch import nn

from limner.cuda.graph import ShapeChanged
from limner.cuda.lane import open_lane
from limner.models.animators.dinet import build_network
from limner.models.dinet.live import LiveDINet
from tests.golden import cases as golden


@golden.cases("dinet")
def test_cached_equals_the_published_network(path):
    case = golden.read(path)
    source, reference, audio = case.tensors()
    live = LiveDINet(golden.load(build_network(), "dinet", case.seed))
    for i in range(len(source)):
        entry, = live.prepare(reference[i:i + 1], source[i:i + 1])
        want = torch.from_numpy(case.outputs["y"][i:i + 1])
        # float32 rounding of another order of summation; measured 4e-6
        torch.testing.assert_close(live.draw(entry, audio[i:i + 1]), want, atol=1e-5, rtol=0)


def random_network():
    torch.manual_seed(0)
    network = build_network().eval()
    for part in network.modules():
        if hasattr(part, "running_var"):
            part.running_mean.normal_(0, 0.2)
            part.running_var.uniform_(0.7, 1.5)
    return network


@pytest.mark.parametrize("size", [(104, 80), (54, 42), (41, 31)])
def test_cached_equals_plain_for_any_order_of_frames(size):
    network = random_network()
    references, sources, audio = torch.rand(1, 15, *size), torch.rand(3, 3, *size), torch.randn(4, 29, 5)
    live = LiveDINet(network)
    entries = live.prepare(references, sources)
    for frame, sound in ((2, 0), (0, 1), (2, 2), (1, 3), (2, 0)):
        with torch.inference_mode():
            plain = network(sources[frame:frame + 1], references, audio[sound:sound + 1])
        drawn = live.draw(entries[frame], audio[sound:sound + 1])
        torch.testing.assert_close(drawn, plain, atol=1e-5, rtol=0)


def test_drawing_leaves_the_cache_as_it_was():
    torch.manual_seed(1)
    live = LiveDINet(build_network())
    entry, = live.prepare(torch.rand(1, 15, 40, 32), torch.rand(1, 3, 40, 32))
    audio = torch.randn(1, 29, 5)
    first = live.draw(entry, audio).clone()
    live.draw(entry, torch.randn(1, 29, 5))
    assert torch.equal(live.draw(entry, audio), first)


@pytest.fixture(scope="module")
def lively():
    """Weights under which signals nearly keep their size: pictures fill the range and depend on every input."""
    torch.manual_seed(0)
    network = random_network()
    for part in network.modules():
        if getattr(part, "weight", None) is not None and not hasattr(part, "running_var"):
            nn.init.kaiming_normal_(part.weight)
            part.weight.data *= 0.9
    return network


def portraits(live, count, size=(54, 42)):
    """Two encoded source frames of each of `count` portraits."""
    return [live.prepare(torch.rand(1, 15, *size), torch.rand(2, 3, *size)) for _ in range(count)]


def test_frames_of_several_portraits_in_one_call_equal_single_draws(lively):
    torch.manual_seed(2)
    live = LiveDINet(lively)
    sources = [source for pair in portraits(live, 3) for source in pair]
    audio = torch.randn(6, 29, 5)
    single = torch.cat([live.draw(source, audio[k:k + 1]).clone() for k, source in enumerate(sources)])
    for order in ([0, 1, 2, 3, 4, 5], [5, 0, 3], [2, 2, 1, 4], [4]):
        drawn = live.draw_many([sources[k] for k in order], audio[order])
        torch.testing.assert_close(drawn, single[order], atol=1e-5, rtol=0)      # float32 rounding
    assert (single[0] - single[2]).abs().max() > 0.1                            # portraits do differ


def test_sizes_do_not_mix():
    live = LiveDINet(random_network())
    live.draw(portraits(live, 1)[0][0], torch.randn(1, 29, 5))
    with pytest.raises(ShapeChanged, match="input 0"):
        live.draw(portraits(live, 1, (40, 32))[0][0], torch.randn(1, 29, 5))


@pytest.mark.parametrize(("dtype", "least"), [(torch.float16, 60), (torch.bfloat16, 42)])
def test_half_precision_is_near_single(lively, dtype, least):
    """PSNR in dB, measured 70 and 52; bfloat16 keeps three bits less than float16, 18 dB."""
    torch.manual_seed(3)
    references, sources, audio = torch.rand(1, 15, 54, 42), torch.rand(2, 3, 54, 42), torch.randn(2, 29, 5)
    drawn = []
    for kind in (torch.float32, dtype):
        live = LiveDINet(lively, dtype=kind)
        drawn.append(live.draw_many(live.prepare(references, sources), audio).clone())
    error = (drawn[0] - drawn[1]).square().mean()
    assert drawn[1].dtype == torch.float32 and -10 * torch.log10(error) > least


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device is usable here")
def test_the_gpu_equals_the_cpu(lively):
    torch.manual_seed(4)
    references, sources, audio = torch.rand(1, 15, 104, 80), torch.rand(3, 3, 104, 80), torch.randn(3, 29, 5)
    live = LiveDINet(lively)
    want = live.draw_many(live.prepare(references, sources), audio)
    with open_lane("cuda:0") as lane:
        other = LiveDINet(copy.deepcopy(lively).to(lane.device))

        def draw():
            prepared = other.prepare(references.to(lane.device), sources.to(lane.device))
            return [lane.download(other.draw_many(prepared, audio.to(lane.device))) for _ in range(2)]

        for drawn in lane.call(draw):            # recorded, then replayed
            error = np.square(drawn - want.numpy()).mean()
            assert -10 * np.log10(error) > 50    # dB; TF32 in the convolutions
