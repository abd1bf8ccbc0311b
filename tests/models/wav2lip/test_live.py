import torch

from limner.models.animators.wav2lip import build_network
from limner.models.wav2lip.live import LiveWav2Lip
from tests.golden import cases as golden


@golden.cases("wav2lip")
def test_cached_equals_the_published_network(path):
    case = golden.read(path)
    mel, face = case.tensors()
    if face.dim() == 5:
        mel, face, want = mel[:, 1], face[:, :, 1], torch.from_numpy(case.outputs["y"][:, :, 1])
    else:
        want = torch.from_numpy(case.outputs["y"])
    live = LiveWav2Lip(golden.load(build_network(), "wav2lip", case.seed))
    entries = live.prepare(face)
    drawn = torch.cat([live.draw(entry, m[None]) for entry, m in zip(entries, mel, strict=True)])
    torch.testing.assert_close(drawn, want, atol=1e-5, rtol=0)           # float32 rounding of folded norms


def test_the_network_given_stays_as_it_was():
    torch.manual_seed(0)
    network = build_network().eval()
    keys = list(network.state_dict())
    live = LiveWav2Lip(network)
    assert list(network.state_dict()) == keys and live.network is not network
