"""The training loop: AdamW on one cycle, averaged weights, three losses."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from limner.models.phones import CLASS_INDEX, CLASSES, VISEME_OF
from limner.models.speechnet import LEVEL_FLOOR, energy, follow, normalise

from .speech_augment import augment
from .speech_data import Crops, Stream, draw_crops
from .speech_net import CausalNet

PP = CLASS_INDEX["PP"]
SETTLE = 30                 # hops at the start of a crop that do not count: their past was cut off
REPORT = 250                # steps between two lines of history
CLOSURE_WEIGHT = 4.0        # a missed /p b m/ is the error a viewer sees first


@dataclass(frozen=True, slots=True)
class Plan:
    cycle: int = 4500       # steps of the first phase's learning-rate cycle
    steps: int = 3750       # where it is cut: past it only the synthetic voices gain, real speech loses
    varied_steps: int = 1200        # second phase: more voices, milder noise
    varied_rate: float = 1.5e-3
    batch: int = 16
    crop: int = 800         # hops
    width: int = 128
    lookahead: int = 3      # hops
    rate: float = 3e-3
    decay: float = 2e-2
    average: float = 0.998
    seed: int = 0

    def phases(self) -> list[tuple[int, int, float, bool]]:
        """(steps, steps of the rate's cycle, highest rate, varied voices) of each phase that has steps."""
        phases = [(self.steps, max(self.cycle, self.steps), self.rate, False),
                  (self.varied_steps, self.varied_steps, self.varied_rate, True)]
        return [p for p in phases if p[0]]


def prepare(mel: np.ndarray) -> Tensor:
    """Log-mel [B, T, 80] to the network's input [B, 80, T], level followed as the live driver does."""
    rows = normalise(mel, follow(energy(mel), LEVEL_FLOOR))
    return torch.from_numpy(np.ascontiguousarray(rows.transpose(0, 2, 1), np.float32))


def class_weights(varied: bool) -> Tensor:
    """Labiodentals count more: few frames, and ones a lip reader watches. Bilabials have their own head.

    In the second phase silence counts half: at the start of a gap nobody can tell a stop from a pause, and lips that
    fall shut in every stop look worse than lips that close 50 ms late.
    """
    weights = torch.ones(len(CLASSES))
    weights[CLASS_INDEX["FF"]] = 1.2
    weights[CLASS_INDEX["sil"]] = 0.5 if varied else 1.0
    return weights


def losses(out: Tensor, crops: Crops, gone: np.ndarray, lookahead: int,
           varied: bool) -> tuple[Tensor, Tensor, Tensor]:
    """Class cross-entropy, closure and lip losses of answers shifted by the look-ahead."""
    k = len(CLASSES)
    classes = np.where(gone[:, None], 0, crops.classes)
    lips = np.where(gone[:, None, None], 0, crops.lips)
    target = torch.from_numpy(classes)[:, SETTLE:-lookahead]
    out = out[:, :, SETTLE + lookahead:]
    entropy = F.cross_entropy(out[:, :k], target, weight=class_weights(varied), label_smoothing=0.03)
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


class Judge:
    """Held-out crops, clean and augmented, and what the network makes of them."""

    def __init__(self, held_out: dict[str, list[Stream]], plan: Plan):
        self._crops = {n: draw_crops(s, 24, plan.crop, np.random.default_rng(plan.seed)) for n, s in held_out.items()}
        self._noisy = {n: augment(c.mel, np.random.default_rng(plan.seed), silent=0)[0] for n, c in self._crops.items()}

    def __call__(self, net: CausalNet) -> dict[str, float]:
        clean = {f"{n} clean": round(accuracy(net, c, c.mel), 4) for n, c in self._crops.items()}
        return clean | {f"{n} noisy": round(accuracy(net, c, self._noisy[n]), 4) for n, c in self._crops.items()}


def one_step(net: CausalNet, optimiser: torch.optim.Optimizer, crops: Crops, rng: np.random.Generator,
             varied: bool) -> list[float]:
    """Augment, forward, backward, update; returns the three losses."""
    mel, gone = augment(crops.mel, rng, varied=varied)
    parts = losses(net(prepare(mel)), crops, gone, net.lookahead, varied)
    loss = parts[0] + 0.5 * parts[1] + 2.0 * parts[2]
    optimiser.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
    optimiser.step()
    return [round(p.item(), 4) for p in parts]


def averaged(net: CausalNet, plan: Plan) -> torch.optim.swa_utils.AveragedModel:
    rule = torch.optim.swa_utils.get_ema_multi_avg_fn(plan.average)
    return torch.optim.swa_utils.AveragedModel(net, multi_avg_fn=rule, use_buffers=True)


def train(train_streams: list[Stream], held_out: dict[str, list[Stream]], plan: Plan, say=print,
          checkpoint=None, start: CausalNet | None = None) -> tuple[CausalNet, list[dict]]:
    """Train one network; returns it with averaged weights, and its history.

    Args:
        checkpoint: called with the averaged network and the history at every report.
        start: a trained network to go on from; the first phase is then left out.
    """
    torch.manual_seed(plan.seed)
    rng = np.random.default_rng([plan.seed, 7])
    net, judge = start or CausalNet(plan.width, plan.lookahead), Judge(held_out, plan)
    history: list[dict] = []
    done = plan.steps if start else 0
    for steps, cycle, rate, varied in plan.phases()[1 if start else 0:]:
        mean = averaged(net, plan)
        optimiser = torch.optim.AdamW(net.parameters(), lr=rate, weight_decay=plan.decay)
        rise = 0.1 if cycle > 10 else 0.3                     # a rise of exactly one step divides by zero there
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, total_steps=cycle, pct_start=rise)
        for step in range(done + 1, done + steps + 1):
            parts = one_step(net, optimiser, draw_crops(train_streams, plan.batch, plan.crop, rng), rng, varied)
            schedule.step()
            mean.update_parameters(net)
            if step % REPORT == 0 or step == done + steps:
                history.append({"step": step, "loss": parts} | judge(mean.module))
                say(f"speech: {history[-1]}")
                if checkpoint:
                    checkpoint(mean.module, history)
        net, done = mean.module.train(), done + steps
    return net.eval(), history
