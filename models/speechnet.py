"""The speech driver's network at run time: NumPy only, incremental, equal to one pass in any chunking.

A causal temporal convolution network (Bai, Kolter & Koltun 2018): level-normalised log-mel rows -> 1x1 -> residual
blocks of width-3 causal convolutions at doubling dilation -> 1x1 -> class scores, closure, lip targets. Batch
normalisation is folded into the convolutions when the weights are exported.
"""

import zipfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from limner.engine.errors import WeightsError

from .features.logmel import DRIVER
from .phones import CLASSES

MELS = DRIVER.mels
LEVEL_FLOOR = -7.5        # ln of mean mel power; speech at about -47 dBFS. Sound below it is heard as distant noise
LEVEL_DECAY = 0.0092      # per hop: 4 dB/s
DEPTH = 12.0              # 52 dB, in natural log of power; a weak f or th lies 40 dB under its vowel
MAX_BYTES = 3_000_000


def energy(mel: NDArray) -> NDArray:
    """Natural log of the mean mel power of each row, [..., t, 80] -> [..., t]."""
    peak = mel.max(-1, keepdims=True)
    return (np.log(np.exp(mel - peak).mean(-1, keepdims=True)) + peak)[..., 0]


def follow(level: NDArray, before: NDArray | float) -> NDArray:
    """Running peak of a level along the last axis that falls by `LEVEL_DECAY` a hop and never under `LEVEL_FLOOR`."""
    fall = LEVEL_DECAY * np.arange(1, level.shape[-1] + 1)
    risen = np.maximum.accumulate(level + fall, axis=-1)
    start = np.asarray(before)[..., None]
    return np.maximum(np.maximum(risen, start) - fall, LEVEL_FLOOR)


def normalise(mel: NDArray, level: NDArray, depth: float = DEPTH) -> NDArray:
    """Rows relative to the talker's level, about -2 to 1.6: what lies `depth` under the level is all the same."""
    return np.maximum(mel - level[..., None], -depth) * (3 / depth) + 1


class SpeechNet:
    """Weights and memory of one listener.

    Raises:
        WeightsError: the file is not a speech network of this shape.
    """

    def __init__(self, path: Path):
        weights = load(path)
        self.lookahead = int(weights["lookahead"])            # hops of future each answer was trained to wait for
        self._depth = float(weights["depth"])
        self._first = weights["first.w"], weights["first.b"]
        self._blocks = []
        for i in range(int(weights["blocks"])):
            self._blocks.append((weights[f"block{i}.w"], weights[f"block{i}.b"], int(weights["dilations"][i])))
        self._mix = weights["mix.w"], weights["mix.b"]
        self._head = weights["head.w"], weights["head.b"]
        self.reset()

    def reset(self) -> None:
        width = self._first[1].shape[0]
        self._level = LEVEL_FLOOR
        self._past = [np.zeros((2 * d, width), np.float32) for _, _, d in self._blocks]
        self._quiet()

    def _quiet(self) -> None:
        """Fill the memory as if silence had been heard for ever, so that the first word is not heard as an onset
        out of nothing."""
        silence = np.full((1, MELS), np.log(DRIVER.floor), np.float32)
        h = normalise(silence, np.array([LEVEL_FLOOR], np.float32), self._depth) @ self._first[0] + self._first[1]
        for past, (w, b, _) in zip(self._past, self._blocks, strict=True):
            past[:] = h
            h = h + np.maximum(np.concatenate([h, h, h], 1) @ w + b, 0)

    def push(self, mel: NDArray[np.float32]) -> tuple[NDArray, NDArray, NDArray]:
        """Rows [n, 80] -> class probabilities [n, K], closure probability [n], lip opening and width [n, 2].

        Answer i is about the hop `lookahead` rows before row i.
        """
        level = follow(energy(mel.astype(np.float64)), self._level)
        self._level = float(level[-1]) if len(level) else self._level
        h = normalise(mel, level, self._depth).astype(np.float32) @ self._first[0] + self._first[1]
        for k, (w, b, d) in enumerate(self._blocks):
            joined = np.concatenate([self._past[k], h])
            self._past[k] = joined[len(h):]
            n = len(h)
            taps = np.concatenate([joined[:n], joined[d:d + n], joined[2 * d:]], 1)
            h = h + np.maximum(taps @ w + b, 0)
        h = np.maximum(h @ self._mix[0] + self._mix[1], 0)
        return split(h @ self._head[0] + self._head[1])


def split(out: NDArray) -> tuple[NDArray, NDArray, NDArray]:
    """Raw head [n, K + 3] into probabilities and lip targets."""
    k = len(CLASSES)
    scores = np.exp(out[:, :k] - out[:, :k].max(1, keepdims=True))
    return scores / scores.sum(1, keepdims=True), 1 / (1 + np.exp(-out[:, k])), out[:, k + 1:]


def load(path: Path) -> dict[str, NDArray]:
    """Arrays of a weights file as float32, shapes checked."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise WeightsError(f"{path} is over {MAX_BYTES} bytes, too large for a speech network")
        with np.load(path, allow_pickle=False) as z:
            weights = {k: z[k].astype(np.float32) for k in z.files}
        heads, inputs = weights["head.b"].shape[0], weights["first.w"].shape[0]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as e:
        raise WeightsError(f"{path} is not a readable speech network ({e}); run make train-speech") from e
    if heads != len(CLASSES) + 3 or inputs != MELS:
        raise WeightsError(f"{path} has {inputs} inputs and {heads} outputs, expected {MELS} and {len(CLASSES) + 3}")
    return weights
