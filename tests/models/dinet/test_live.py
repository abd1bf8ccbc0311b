import pytest
import torch
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


@pytest.mark.parametrize("size", [(104, 80), (54, 42), (41, 31)])
def test_cached_equals_plain_for_any_order_of_frames(size):
    torch.manual_seed(0)
    network = build_network().eval()
    for part in network.modules():
        if hasattr(part, "running_var"):
            part.running_mean.normal_(0, 0.2)
            part.running_var.uniform_(0.7, 1.5)
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
