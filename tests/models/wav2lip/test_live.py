import pytest
import torch

from limner.clients.subjects.dubbing import healthy
from limner.cuda.graph import ConstantChanged
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
    want = want.flip(1)                                                  # RGB
    torch.testing.assert_close(drawn, want, atol=1e-5, rtol=0)           # float32 rounding of folded norms


def test_the_network_given_stays_as_it_was():
    torch.manual_seed(0)
    network = build_network().eval()
    keys = list(network.state_dict())
    live = LiveWav2Lip(network)
    assert list(network.state_dict()) == keys and live.network is not network


def test_faces_drawn_together_equal_faces_drawn_alone():
    torch.manual_seed(1)
    live = LiveWav2Lip(build_network())
    faces = live.prepare(torch.rand(5, 6, 96, 96))
    mel = torch.randn(5, 1, 80, 16)
    together = live.draw_many(faces, mel).clone()
    alone = torch.cat([live.draw(face, mel[k:k + 1]).clone() for k, face in enumerate(faces)])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=0)       # float32 rounding of a batch
    assert not torch.allclose(together[0], together[1], atol=1e-3)


def test_weights_that_moved_are_an_error():
    live = LiveWav2Lip(build_network())
    face, = live.prepare(torch.rand(1, 6, 96, 96))
    live.draw(face, torch.randn(1, 1, 80, 16))
    moved = live.network.output_block[1].weight
    moved.data = moved.data.clone()
    with pytest.raises(ConstantChanged, match="output_block"):
        live.draw(face, torch.randn(1, 1, 80, 16))


@pytest.mark.parametrize(("dtype", "least"), [(torch.float16, 55), (torch.bfloat16, 38)])
def test_half_precision_keeps_the_picture(dtype, least):
    """PSNR in dB to float32, measured 57 and 40; bfloat16 keeps three bits less than float16, 18 dB."""
    network = healthy(build_network())
    faces, mel = torch.rand(2, 6, 96, 96), torch.randn(2, 1, 80, 16)
    full, half = (live.draw_many(live.prepare(faces), mel).clone() for live in (LiveWav2Lip(network), LiveWav2Lip(network, dtype=dtype)))
    assert half.dtype is torch.float32
    spread = full.max() - full.min()
    assert spread > 0.1                                                  # a picture, not a grey
    assert 10 * torch.log10(spread**2 / (full - half).square().mean()) > least
