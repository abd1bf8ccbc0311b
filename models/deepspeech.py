"""The acoustic network of Deep Speech 0.1.0 in torch, filled from its frozen TensorFlow graph.

Hannun et al., "Deep Speech" (2014), as Mozilla built it: three dense layers, one bidirectional LSTM, two dense layers.
"""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from limner.engine.errors import WeightsError

from .tfgraph import read_constants

CEPSTRA, CONTEXT = 26, 9                     # per row; rows on each side
INPUTS = CEPSTRA * (2 * CONTEXT + 1)         # 494
LETTERS = 29                                 # space, a-z, apostrophe, blank
_GATES = (0, 2, 1, 3)                        # TensorFlow's i, j, f, o in torch's order i, f, g, o


class DeepSpeech(nn.Module):
    """Normalised rows [T, 494] at 50 Hz -> raw logits [T, 29]."""

    def __init__(self, hidden: tuple[int, int, int] = (2048, 2048, 4096), cell: int = 2048, late: int = 2048):
        super().__init__()
        widths = (INPUTS, *hidden)
        self.early = nn.ModuleList(nn.Linear(widths[i], widths[i + 1]) for i in range(3))
        self.forward_lstm = nn.LSTM(hidden[-1], cell)
        self.backward_lstm = nn.LSTM(hidden[-1], cell)
        self.late = nn.Linear(2 * cell, late)
        self.output = nn.Linear(late, LETTERS)

    def dense(self, x: Tensor) -> Tensor:
        """The first three layers, row by row."""
        for layer in self.early:
            x = layer(x).clamp(0, 20)
        return x

    def forward(self, x: Tensor) -> Tensor:
        return self.span(x, None)[0]

    def span(self, x: Tensor, state: tuple[Tensor, Tensor] | None, keep: int | None = None) -> tuple[Tensor, tuple]:
        """Rows [T, 494] of a longer stream -> logits of the first `keep` rows and the forward LSTM's state after them.

        `state` is the forward LSTM's before the first row (None: the start). Rows after `keep` only feed the backward
        LSTM, which starts from nothing at the last of them.
        """
        keep = len(x) if keep is None else keep
        x = self.dense(x)
        ahead, state = self.forward_lstm(x[:keep], state)
        behind = self.backward_lstm(x.flip(0))[0].flip(0)[:keep]
        return self.output(self.late(torch.cat([ahead, behind], 1)).clamp(0, 20)), state


def load_graph(path: Path) -> DeepSpeech:
    """The network in a frozen graph. Raises WeightsError when its constants are not those of Deep Speech 0.1.0."""
    constants = read_constants(path)
    try:
        dense = {n: (_named(constants, f"h{n}"), _named(constants, f"b{n}")) for n in (1, 2, 3, 5, 6)}
        cells = {side: (_cell(constants, side, "kernel", "weights"), _cell(constants, side, "bias", "biases")) for side in ("fw", "bw")}
    except KeyError as error:
        raise WeightsError(f"{path}: a frozen graph without {error.args[0]}; expected output_graph.pb of Deep Speech 0.1.0") from error
    try:
        return _build(dense, cells)
    except (ValueError, RuntimeError, IndexError) as error:
        raise WeightsError(f"{path}: layers that do not fit together ({str(error).splitlines()[0][:100]}); "
                           "expected output_graph.pb of Deep Speech 0.1.0") from error


def _named(constants: dict[str, NDArray], name: str) -> NDArray:
    found = [value for key, value in constants.items() if key.rsplit("/", 1)[-1] == name]
    if len(found) != 1:
        raise KeyError(name)
    return found[0]


def _cell(constants: dict[str, NDArray], side: str, *names: str) -> NDArray:
    for key, value in constants.items():
        parts = key.split("/")
        if side in parts and parts[-1] in names:
            return value
    raise KeyError(f"the {side} LSTM's {names[0]}")


def _build(dense: dict[int, tuple[NDArray, NDArray]], cells: dict[str, tuple[NDArray, NDArray]]) -> DeepSpeech:
    widths = [dense[n][0].shape[1] for n in (1, 2, 3)]
    network = DeepSpeech(tuple(widths), cells["fw"][0].shape[1] // 4, dense[5][0].shape[1])
    layers = (*network.early, network.late, network.output)
    for layer, (weight, bias) in zip(layers, dense.values(), strict=True):
        _put(layer.weight, weight.T)
        _put(layer.bias, bias)
    for lstm, (kernel, bias) in zip((network.forward_lstm, network.backward_lstm), cells.values(), strict=True):
        _put_cell(lstm, kernel, bias)
    return network.eval().requires_grad_(False)


def _put_cell(lstm: nn.LSTM, kernel: NDArray, bias: NDArray) -> None:
    """One kernel [inputs + hidden, 4 hidden]; the graph adds 1 to the forget gate when it runs."""
    hidden = lstm.hidden_size
    kernel = kernel.reshape(-1, 4, hidden)[:, _GATES].reshape(-1, 4 * hidden).T
    gates = bias.reshape(4, hidden)[list(_GATES)] + np.float32([0, 1, 0, 0])[:, None]
    _put(lstm.weight_ih_l0, kernel[:, :lstm.input_size])
    _put(lstm.weight_hh_l0, kernel[:, lstm.input_size:])
    _put(lstm.bias_ih_l0, gates.reshape(-1))
    _put(lstm.bias_hh_l0, np.zeros(4 * hidden, np.float32))


def _put(parameter: nn.Parameter, values: NDArray) -> None:
    if tuple(parameter.shape) != values.shape:
        raise ValueError(f"shape {list(values.shape)} where {list(parameter.shape)} follows from the layer before")
    parameter.data = torch.from_numpy(np.ascontiguousarray(values, np.float32))
