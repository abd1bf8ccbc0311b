"""Distilling a user's Deep Speech graph into the bridge: log-mel in, the graph's own file logits as the target."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from limner.engine.errors import InputError
from limner.models.bridge import MELS, REACH, Bridge
from limner.models.deepspeech import DeepSpeech
from limner.models.features.deepspeech import file_logits
from limner.models.features.logmel import log_mel

from . import checkpoints

_SEGMENT = 150                               # logit rows of one example: 3 s
_RATE, _WARM = 1e-3, 50                      # Adam's learning rate; steps it takes to get there
_LETTER_WEIGHT = 1.0                         # of the letters' own loss beside that of the raw logits


@dataclass(frozen=True, slots=True)
class Lesson:
    """One recording: `mel` [T, 80] at 100 Hz and what the graph hears in it, `logits` [J, 29] at 50 Hz."""

    mel: NDArray[np.float32]
    logits: NDArray[np.float32]


def lesson(network: DeepSpeech, samples: NDArray[np.float32]) -> Lesson:
    """A recording f32 [n] at 16 kHz, heard by the graph through the published pipeline."""
    mel, logits = log_mel(samples), file_logits(network, samples)
    count = min(len(logits), (len(mel) - REACH - 1) // 2 + 1)
    return Lesson(mel, logits[:max(count, 0)])


class BridgeTrainer:
    """Distillation in progress, deterministic by (seed, step). The last lesson in ten is kept for `error`."""

    def __init__(self, lessons: list[Lesson], *, steps: int, batch: int = 8, seed: int = 0, device: str = "cpu"):
        usable = [each for each in lessons if len(each.logits) >= _SEGMENT]
        if len(usable) < 2:
            raise InputError(f"{len(usable)} recordings of at least 3 seconds, two are needed (one is kept for checking); give more speech")
        held = max(1, len(usable) // 10)
        self.lessons, self.checks = usable[:-held], usable[-held:]
        torch.manual_seed(seed)
        self.device = torch.device(device)
        self.network = Bridge().to(self.device)
        self._measure()
        self.optimiser = torch.optim.Adam(self.network.parameters(), _RATE)
        self.total, self.batch, self.seed, self.steps = steps, batch, seed, 0

    def _measure(self) -> None:
        mel = np.concatenate([each.mel for each in self.lessons])
        self.network.mel_mean.copy_(torch.from_numpy(mel.mean(0)))
        self.network.mel_scale.copy_(torch.from_numpy(1 / np.maximum(mel.std(0), 1e-3)))
        self.spread = float(np.concatenate([each.logits for each in self.lessons]).std())

    @property
    def finished(self) -> bool:
        return self.steps >= self.total

    def step(self) -> float:
        """One batch; returns its loss."""
        mel, wanted = self._batch()
        share = min(1.0, (self.steps + 1) / _WARM) * 0.5 * (1 + np.cos(np.pi * self.steps / self.total))
        self.optimiser.param_groups[0]["lr"] = _RATE * max(float(share), 0.01)
        self.network.train()
        loss = self._loss(self.network(mel)[0], wanted)
        self.optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimiser.step()
        self.steps += 1
        return float(loss.detach())

    def _batch(self) -> tuple[Tensor, Tensor]:
        """Random segments. The network pads six rows of zeros before the first mel row, so it is given the true ones."""
        rng = np.random.default_rng([self.seed, self.steps])
        mels, rows = [], []
        for _ in range(self.batch):
            each = self.lessons[rng.integers(len(self.lessons))]
            start = int(rng.integers(0, len(each.logits) - _SEGMENT + 1))
            mels.append(_rows(each.mel, 2 * start, 2 * (start + _SEGMENT - 1) + REACH + 1))
            rows.append(each.logits[start:start + _SEGMENT])
        return torch.from_numpy(np.stack(mels)).to(self.device), torch.from_numpy(np.stack(rows)).to(self.device)

    def _loss(self, logits: Tensor, wanted: Tensor) -> Tensor:
        raw = F.smooth_l1_loss(logits / self.spread, wanted / self.spread)
        letters = F.kl_div(F.log_softmax(logits, -1), F.log_softmax(wanted, -1), reduction="none", log_target=True)
        return raw + _LETTER_WEIGHT * letters.sum(-1).mean()

    @torch.inference_mode()
    def error(self) -> float:
        """On the recordings kept back: RMS of the difference over the deviation of the graph's logits; 1 is no use."""
        self.network.eval()
        pairs = [(self.network(torch.from_numpy(each.mel).to(self.device)[None])[0][0].cpu().numpy(), each.logits) for each in self.checks]
        got = np.concatenate([a[:len(b)] for a, b in pairs])
        wanted = np.concatenate([b[:len(a)] for a, b in pairs])
        return float(np.sqrt(np.mean((got - wanted) ** 2)) / wanted.std())

    def save(self, path: Path) -> None:
        """Write the bridge and what is needed to go on training it."""
        checkpoints.save(path, {"steps": self.steps, "state_dict": {"net": self.network.state_dict()},
                                "optimizer": {"net": self.optimiser.state_dict()}})

    def resume(self, path: Path) -> None:
        self.steps = int(checkpoints.restore(path, {"net": self.network}, {"net": self.optimiser})["steps"])


def _rows(mel: NDArray[np.float32], first: int, end: int) -> NDArray[np.float32]:
    part = mel[first:end]
    return np.pad(part, ((0, end - first - len(part)), (0, 0)), "edge") if len(part) < end - first else part.reshape(-1, MELS)
