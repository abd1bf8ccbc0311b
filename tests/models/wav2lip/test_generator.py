import torch

from limner.models.animators.wav2lip import build_network
from tests.golden import cases as golden


@golden.cases("wav2lip")
def test_equals_the_published_network(path):
    case = golden.read(path)
    network = golden.load(build_network(), "wav2lip", case.seed)
    with torch.inference_mode():
        case.check("y", network(*case.tensors()))


def test_time_axis_is_a_batch():
    torch.manual_seed(0)
    network = build_network().eval()
    mel, face = torch.randn(2, 3, 1, 80, 16), torch.rand(2, 6, 3, 96, 96)
    with torch.inference_mode():
        clip = network(mel, face)
        frame = network(mel[:, 2], face[:, :, 2])
    torch.testing.assert_close(clip[:, :, 2], frame, atol=1e-5, rtol=0)     # float32 rounding of another blocking
