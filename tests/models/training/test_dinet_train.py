import dataclasses

import numpy as np
import pytest
import torch

from limner.engine.errors import WeightsError
from limner.models.animators.dinet import build_network, trained_mouth
from limner.models.dinet.losses import VGG19Features
from limner.models.syncnet import build_network as build_sync
from limner.models.training.dinet_data import Footage, Sampler
from limner.models.training.dinet_train import STAGES, Recipe, Trainer
from limner.models.weights import load_weights


@pytest.fixture(scope="module")
def sampler():
    """Noise that repeats: enough to see states move."""
    rng = np.random.default_rng(0)
    return Sampler([Footage(rng.integers(0, 256, (6, 9, 104, 80, 3), np.uint8), rng.standard_normal((6, 9, 29), np.float32))], 64, 3)


SMALL = dataclasses.replace(STAGES["frame64"], batch=1)


def equal(one: Trainer, other: Trainer) -> bool:
    pairs = [(one.modules[n].state_dict(), other.modules[n].state_dict()) for n in one.modules]
    return all(torch.equal(a[key], b[key]) for a, b in pairs for key in a)


def test_resumed_equals_uninterrupted_bit_for_bit(sampler, tmp_path):
    straight = Trainer(SMALL, sampler)
    losses = [straight.step() for _ in range(4)]
    first = Trainer(SMALL, sampler)
    for _ in range(2):
        first.step()
    first.save(tmp_path / "s.pth")
    second = Trainer(SMALL, sampler, seed=999)                           # its own start must not matter
    second.resume(tmp_path / "s.pth")
    assert [second.step() for _ in range(2)] == losses[2:]
    assert equal(straight, second)
    states = [t.optimisers["net_dI"].state_dict()["state"][0] for t in (straight, second)]
    assert torch.equal(states[0]["exp_avg_sq"], states[1]["exp_avg_sq"])


def test_saved_generator_is_a_published_checkpoint(sampler, tmp_path):
    trainer = Trainer(SMALL, sampler)
    trainer.save(tmp_path / "s.pth")
    network = load_weights(build_network(), tmp_path / "s.pth", "dinet")
    assert torch.equal(network.out_conv[4].weight, trainer.modules["net_g"].out_conv[4].weight)
    assert trained_mouth(tmp_path / "s.pth") == 64


def test_clip_stage_has_its_three_judges(sampler, tmp_path):
    torch.manual_seed(0)
    recipe = Recipe(64, 1, clip=True)
    trainer = Trainer(recipe, sampler, vgg=VGG19Features(), sync=build_sync("dinet"))
    before = {n: p.clone() for n, p in trainer.modules["net_g"].named_parameters()}
    losses = trainer.step()
    assert set(losses) == {"l1", "net_dI", "net_dV", "perception", "fool_net_dI", "fool_net_dV", "sync"}
    assert all(np.isfinite(v) for v in losses.values())
    assert all(not torch.equal(p, before[n]) for n, p in trainer.modules["net_g"].named_parameters() if n.endswith("weight"))
    trainer.save(tmp_path / "c.pth")
    with pytest.raises(WeightsError, match="not a state"):
        Trainer(recipe, sampler, seed=1).resume(_frame_state(tmp_path, sampler))


def _frame_state(folder, sampler):
    Trainer(SMALL, sampler).save(folder / "f.pth")
    return folder / "f.pth"


def test_judges_do_not_move_the_generator_and_back(sampler):
    """A discriminator's step leaves the generator alone; the generator's step leaves discriminators alone."""
    trainer = Trainer(SMALL, sampler)
    batch = sampler.frames(0, 1)
    fake = trainer.modules["net_g"](batch.source, batch.reference, batch.audio).detach()
    kept = [p.clone() for p in trainer.modules["net_g"].parameters()]
    trainer._judge("net_dI", fake, batch.target)
    assert all(torch.equal(a, b) for a, b in zip(kept, trainer.modules["net_g"].parameters(), strict=True))


def test_frozen_norm_keeps_statistics(sampler):
    def statistics(trainer):
        return {k: v.clone() for k, v in trainer.modules["net_g"].state_dict().items() if "running" in k}
    for frozen in (True, False):
        trainer = Trainer(dataclasses.replace(SMALL, frozen_norm=frozen), sampler)
        before = statistics(trainer)
        trainer.step()
        same = [torch.equal(before[k], v) for k, v in statistics(trainer).items()]
        assert all(same) if frozen else not any(same)


def test_rate_stays_then_falls_to_nothing():
    recipe = STAGES["frame256"]
    assert [recipe.factor(e) for e in (0, 199, 200)] == [1, 1, 1]
    assert recipe.factor(201) == pytest.approx(200 / 201) and 0 < recipe.factor(400) < 0.01
    assert [r.mouth for r in STAGES.values()] == [64, 128, 256, 256] and [r.batch for r in STAGES.values()] == [24, 80, 12, 3]
