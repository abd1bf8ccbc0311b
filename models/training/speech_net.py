"""The speech network as PyTorch trains it, and its export to the NumPy form of `models/speechnet.py`."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from limner.models.phones import CLASSES
from limner.models.speechnet import DEPTH, MELS

DILATIONS = (1, 2, 4, 8, 16, 32)


class CausalNet(nn.Module):
    """[B, 80, T] normalised log-mel -> [B, K + 3, T]: class scores, closure logit, lip opening and width.

    Answer t is about hop t - `lookahead`; the labels are shifted in training, the network itself sees no future.
    """

    def __init__(self, width: int = 128, lookahead: int = 3, dropout: float = 0.1):
        super().__init__()
        self.lookahead, self.dropout = lookahead, dropout
        self.first = nn.Conv1d(MELS, width, 1)
        self.convs = nn.ModuleList(nn.Conv1d(width, width, 3, dilation=d) for d in DILATIONS)
        self.norms = nn.ModuleList(nn.BatchNorm1d(width) for _ in DILATIONS)
        self.mix = nn.Conv1d(width, width, 1)
        self.head = nn.Conv1d(width, len(CLASSES) + 3, 1)

    def forward(self, x: Tensor) -> Tensor:
        h = self.first(x)
        for d, conv, norm in zip(DILATIONS, self.convs, self.norms, strict=True):
            h = h + F.relu(norm(conv(F.pad(h, (2 * d, 0)))))
        h = F.relu(self.mix(F.dropout(h, self.dropout, self.training)))
        return self.head(F.dropout(h, self.dropout, self.training))


def folded(conv: nn.Conv1d, norm: nn.BatchNorm1d) -> tuple[np.ndarray, np.ndarray]:
    """Convolution and the normalisation after it as one matrix [3 * in, out] over the taps, oldest first."""
    scale = (norm.weight / torch.sqrt(norm.running_var + norm.eps)).detach()
    weight = conv.weight.detach() * scale[:, None, None]                      # [out, in, 3]
    bias = (conv.bias - norm.running_mean).detach() * scale + norm.bias.detach()
    return weight.permute(2, 1, 0).reshape(-1, weight.shape[0]).numpy(), bias.numpy()


def export(net: CausalNet, path: Path) -> None:
    """Write the weights as float16, batch normalisation folded into the convolutions."""
    arrays: dict[str, np.ndarray] = {"lookahead": np.array(net.lookahead), "depth": np.array(DEPTH),
                                     "blocks": np.array(len(DILATIONS)), "dilations": np.array(DILATIONS)}
    for name in ("first", "mix", "head"):
        layer = getattr(net, name)
        arrays[f"{name}.w"] = layer.weight.detach()[:, :, 0].T.numpy()
        arrays[f"{name}.b"] = layer.bias.detach().numpy()
    for i, (conv, norm) in enumerate(zip(net.convs, net.norms, strict=True)):
        arrays[f"block{i}.w"], arrays[f"block{i}.b"] = folded(conv, norm)
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, **{k: a.astype(np.float16) for k, a in arrays.items()})
