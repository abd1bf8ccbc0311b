"""DINet's published training: three frame stages, then a clip stage with a lip-sync loss (AAAI 2023)."""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from limner.models.dinet import crop
from limner.models.dinet.discriminator import Discriminator
from limner.models.dinet.generator import DINet
from limner.models.dinet.losses import VGG19Features, gan_loss, perception_loss
from limner.models.syncnet import DINetSync

from . import checkpoints
from .dinet_data import Batch, Sampler

SEED = 456                                   # the published one
_FRAMES = 5                                  # of a clip drawn together


@dataclass(frozen=True, slots=True)
class Recipe:
    """One stage. `steady` epochs at the full learning rate, then `falling` epochs down to nothing."""

    mouth: int
    batch: int
    clip: bool = False
    steady: int = 200
    falling: int = 200
    rate: float = 1e-4
    sync_weight: float = 0.1
    pixel_weight: float = 10.0               # of the plain L1 that stands in where no VGG-19 was supplied
    frozen_norm: bool = False                # keep BatchNorm as it was: fine-tuning to one person

    def factor(self, epoch: int) -> float:
        """Share of the learning rate in an epoch, counted from 0."""
        return 1.0 - max(0, epoch - self.steady) / (self.falling + 1)


STAGES = {
    "frame64": Recipe(64, 24),
    "frame128": Recipe(128, 80),
    "frame256": Recipe(256, 12),
    "clip256": Recipe(256, 3, clip=True),
}


class Trainer:
    """A stage in progress. The same seed, clips and number of steps give the same weights, however often it resumed."""

    def __init__(self, recipe: Recipe, sampler: Sampler, *, vgg: VGG19Features | None = None, sync: DINetSync | None = None,
                 seed: int = SEED, device: str = "cpu"):
        torch.manual_seed(seed)
        self.recipe, self.sampler, self.device = recipe, sampler, torch.device(device)
        self.modules: dict[str, nn.Module] = {"net_g": DINet(), "net_dI": Discriminator(3)}
        if recipe.clip:
            self.modules["net_dV"] = Discriminator(3 * _FRAMES)
        self.helpers = {"vgg": vgg, "sync": sync}
        for module in (*self.modules.values(), *filter(None, self.helpers.values())):
            module.to(self.device)
        for helper in filter(None, self.helpers.values()):
            helper.eval().requires_grad_(False)
        self.optimisers = {name: torch.optim.Adam(module.parameters(), recipe.rate) for name, module in self.modules.items()}
        self.steps = 0

    @property
    def epoch(self) -> int:
        return self.steps * self.recipe.batch // len(self.sampler)

    @property
    def finished(self) -> bool:
        return self.epoch >= self.recipe.steady + self.recipe.falling

    def step(self) -> dict[str, float]:
        """One batch: discriminators, then the generator. Returns the losses; `l1` is the mean error of the picture."""
        recipe = self.recipe
        for optimiser in self.optimisers.values():
            optimiser.param_groups[0]["lr"] = recipe.rate * recipe.factor(self.epoch)
        self._set_modes()
        batch = self._move((self.sampler.clips if recipe.clip else self.sampler.frames)(self.steps, recipe.batch))
        fake = self.modules["net_g"](batch.source, batch.reference, batch.audio)
        losses = {name: self._judge(name, fake.detach(), batch.target) for name in self.modules if name != "net_g"}
        terms = self._generator_terms(fake, batch)
        self.optimisers["net_g"].zero_grad()
        sum(terms.values()).backward()
        self.optimisers["net_g"].step()
        self.steps += 1
        losses.update({name: float(term.detach()) for name, term in terms.items()})
        return {"l1": float(F.l1_loss(fake.detach(), batch.target)), **losses}

    def _set_modes(self) -> None:
        for module in self.modules.values():
            module.train()
        if self.recipe.frozen_norm:
            for part in self.modules["net_g"].modules():
                if isinstance(part, nn.BatchNorm1d | nn.BatchNorm2d):
                    part.eval()

    def _move(self, batch: Batch) -> Batch:
        parts = (batch.source, batch.reference, batch.audio, batch.target, batch.clip_audio)
        return Batch(*(None if part is None else part.to(self.device) for part in parts))

    def _seen(self, name: str, pictures: Tensor) -> Tensor:
        """What a discriminator looks at: frames, or the five frames of a clip side by side."""
        return pictures.unflatten(0, (-1, _FRAMES)).flatten(1, 2) if name == "net_dV" else pictures

    def _judge(self, name: str, fake: Tensor, real: Tensor) -> float:
        network, optimiser = self.modules[name], self.optimisers[name]
        loss = sum(gan_loss(network(self._seen(name, pictures))[1], is_real) for pictures, is_real in ((fake, False), (real, True))) / 2
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        return float(loss.detach())

    def _generator_terms(self, fake: Tensor, batch: Batch) -> dict[str, Tensor]:
        terms = {}
        if self.helpers["vgg"]:
            terms["perception"] = perception_loss(self.helpers["vgg"], fake, batch.target)
        else:
            terms["pixel"] = self.recipe.pixel_weight * F.l1_loss(fake, batch.target)
        for name, module in self.modules.items():
            if name != "net_g":
                terms[f"fool_{name}"] = gan_loss(module(self._seen(name, fake))[1], True)
        if self.helpers["sync"] and batch.clip_audio is not None:
            terms["sync"] = self.recipe.sync_weight * self._sync(fake, batch.clip_audio)
        return terms

    def _sync(self, fake: Tensor, audio: Tensor) -> Tensor:
        square = crop.mouth_box(self.recipe.mouth)
        mouths = fake[:, :, square.top:square.bottom, square.left:square.right]
        return gan_loss(self.helpers["sync"](mouths.unflatten(0, (-1, _FRAMES)).flatten(1, 2), audio), True)

    def save(self, path: Path) -> None:
        """Write everything needed to go on, in the published nesting, with the mouth size beside it."""
        checkpoints.save(path, {
            "epoch": self.epoch, "steps": self.steps, "mouth": self.recipe.mouth,
            "state_dict": {name: module.state_dict() for name, module in self.modules.items()},
            "optimizer": {name: optimiser.state_dict() for name, optimiser in self.optimisers.items()},
        })

    def resume(self, path: Path) -> None:
        """Go on from what `save` wrote."""
        self.steps = int(checkpoints.restore(path, self.modules, self.optimisers)["steps"])
