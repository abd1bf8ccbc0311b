"""The training loop: AdamW on one cycle, averaged weights, three losses."""

from dataclasses import dataclass

import numpy as np
import torch
from limner.models.phones import CLASS_INDEX, CLASSES, VISEME_OF
from limner.models.speechnet import LEVEL_FLOOR, energy, follow, normalise
from torch import Tensor
from torch.nn import functional as F

from .speech_augment import augment
from .speech_data import Crops, Stream, draw_crops
from .speech_net import CausalNet

PP = CLASS_INDEX["PP"]
SETTLE = 30                 # hops at the start of a crop that do not count: their past was cut off
CLOSURE_WEIGHT = 4.0        # a missed /p b m/ is the error a viewer sees first


@dataclass(frozen=True, slots=True)
class Plan:
    steps: int = 6000
    batch: int = 16
    crop: int = 800         # hops
    width: int = 128
    lookahead: int = 3      # hops
    rate: float = 3e-3
    decay: float = 2e-2
    average: float = 0.998
    seed: int = 0


def prepare(mel: np.ndarray) -> Tensor:
    """Log-mel [B, T, 80] to the network's input [B, 80, T], level followed as the live driver does."""
    rows = normalise(mel, follow(energy(mel), LEVEL_FLOOR))
    return torch.from_numpy(np.ascontiguousarray(rows.transpose(0, 2, 1), np.float32))


def class_weights() -> Tensor:
    """Labiodentals count more: few frames, and ones a lip reader watches. Bilabials have their own head."""
    weights = torch.ones(len(CLASSES))
    weights[CLASS_INDEX["FF"]] = 1.2
    return weights


def losses(out: Tensor, crops: Crops, gone: np.ndarray, lookahead: int) -> tuple[Tensor, Tensor, Tensor]:
    """Class cross-entropy, closure and lip losses of answers shifted by the look-ahead."""
    k = len(CLASSES)
    classes = np.where(gone[:, None], 0, crops.classes)
    lips = np.where(gone[:, None, None], 0, crops.lips)
    target = torch.from_numpy(classes)[:, SETTLE:-lookahead]
    out = out[:, :, SETTLE + lookahead:]
    entropy = F.cross_entropy(out[:, :k], target, weight=class_weights(), label_smoothing=0.03)
    closure = F.binary_cross_entropy_with_logits(out[:, k], (target == PP).float(),
                                                 pos_weight=torch.tensor(CLOSURE_WEIGHT))
    wanted = torch.from_numpy(lips.astype(np.float32)).transpose(1, 2)[:, :, SETTLE:-lookahead]
    return entropy, closure, F.mse_loss(out[:, k + 1:], wanted)


@torch.no_grad()
def accuracy(net: CausalNet, crops: Crops, mel: np.ndarray) -> float:
    """Share of hops whose viseme is right, 15 classes."""
    net.eval()
    k, fold = len(CLASSES), torch.tensor(VISEME_OF)
    scores = net(prepare(mel))[:, :k, SETTLE + net.lookahead:].softmax(1)
    merged = torch.zeros(scores.shape[0], 15, scores.shape[2]).index_add_(1, fold, scores)
    right = merged.argmax(1) == fold[torch.from_numpy(crops.classes)[:, SETTLE:-net.lookahead]]
    net.train()
    return float(right.float().mean())


def train(train_streams: list[Stream], held_out: dict[str, list[Stream]], plan: Plan, say=print,
          checkpoint=None) -> tuple[CausalNet, list[dict]]:
    """Train one network; returns it with averaged weights, and its history.

    Args:
        checkpoint: called with the averaged network at every report.
    """
    torch.manual_seed(plan.seed)
    rng = np.random.default_rng([plan.seed, 7])
    net = CausalNet(plan.width, plan.lookahead)
    mean = torch.optim.swa_utils.AveragedModel(net, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(plan.average),
                                               use_buffers=True)
    optimiser = torch.optim.AdamW(net.parameters(), lr=plan.rate, weight_decay=plan.decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, plan.rate, total_steps=plan.steps, pct_start=0.1)
    tests = {name: draw_crops(s, 24, plan.crop, np.random.default_rng(plan.seed)) for name, s in held_out.items()}
    noisy = {name: augment(c.mel, np.random.default_rng(plan.seed), silent=0)[0] for name, c in tests.items()}
    history: list[dict] = []
    for step in range(1, plan.steps + 1):
        crops = draw_crops(train_streams, plan.batch, plan.crop, rng)
        mel, gone = augment(crops.mel, rng)
        parts = losses(net(prepare(mel)), crops, gone, plan.lookahead)
        loss = parts[0] + 0.5 * parts[1] + 2.0 * parts[2]
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        mean.update_parameters(net)
        if step % 250 == 0 or step == plan.steps:
            history.append({"step": step, "loss": [round(p.item(), 4) for p in parts]}
                           | {f"{n} clean": round(accuracy(mean.module, c, c.mel), 4) for n, c in tests.items()}
                           | {f"{n} noisy": round(accuracy(mean.module, c, noisy[n]), 4) for n, c in tests.items()})
            say(f"speech: {history[-1]}")
            if checkpoint:
                checkpoint(mean.module, history)
    return mean.module.eval(), history
