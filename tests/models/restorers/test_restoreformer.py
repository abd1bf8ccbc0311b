import numpy as np
import torch

from limner.models.restorers.restoreformer import build_network, create
from tests.golden import cases as golden


@golden.cases("restoreformer")
def test_equals_the_published_network(path):
    case = golden.read(path)
    network = golden.load(build_network(), case.name, case.seed)
    with torch.inference_mode():
        restored = network.restore(*case.tensors())
    np.testing.assert_array_equal(restored.codes.numpy(), case.outputs["code_idx"])
    case.check("y", restored.image)


def test_the_authors_own_checkpoint_is_taken(tmp_path):
    state = {f"vqvae.{key}": torch.zeros(1).expand(value.shape) for key, value in build_network().state_dict().items()}
    torch.save({"state_dict": state, "epoch": 7}, tmp_path / "RestoreFormer.ckpt")
    stage = create(weights=tmp_path / "RestoreFormer.ckpt", device="cpu")
    assert (stage.delay, stage.restores, stage.restorer.mouth) == (0, True, None)
