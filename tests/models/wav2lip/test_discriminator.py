import torch

from limner.models.wav2lip.discriminator import QualityDiscriminator
from tests.golden import cases as golden


@golden.cases("wav2lip.disc")
def test_equals_the_published_network(path):
    case = golden.read(path)
    network = golden.load(QualityDiscriminator(), "wav2lip.disc", case.seed)
    with torch.inference_mode():
        case.check("y", network(*case.tensors()))
