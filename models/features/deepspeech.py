"""Deep Speech 0.1.0 logits, 29 a row at 50 Hz: what DINet hears.

Three ways to the same rows. `file_logits` is the published pipeline: MFCC, nine rows of context on each side, the
whole utterance's mean and deviation, the whole graph. `DeepSpeechStream` runs the graph on a stream: statistics of what
was heard so far and a bounded future for the backward LSTM, so its rows are near the file's, not equal
(`file_difference` measures it). `BridgeStream` runs a distilled causal network, 78 ms behind the sound.
"""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from limner.engine.clock import SAMPLE_RATE, ticks_from_samples
from limner.engine.errors import UsageError
from limner.engine.types import AudioChunk, FeatureRows
from limner.models.bridge import REACH, Bridge
from limner.models.catalogue import by_name
from limner.models.deepspeech import CEPSTRA, CONTEXT, LETTERS, DeepSpeech, load_graph
from limner.models.options import FaceOptions
from limner.models.voicedrows import VoicedRows
from limner.models.weights import load_weights, missing_weights

from .logmel import LogMel
from .mfcc import WINDOW, Mfcc, mfcc

HOP = 320                                    # samples per row: every second MFCC row
BLOCK, FUTURE = 5, 5                         # rows answered together; rows after them the backward LSTM may see
_SPEECH_MEAN, _SPEECH_DEVIATION, _PRIOR = 0.0, 11.5, 50      # MFCC of clean speech, counted as so many rows


def stack_context(rows: NDArray) -> NDArray:
    """MFCC rows [T + 18, 26] -> [T, 494]: each row between its nine predecessors and successors."""
    view = np.lib.stride_tricks.sliding_window_view(rows, 2 * CONTEXT + 1, axis=0)
    return view.transpose(0, 2, 1).reshape(len(view), -1)


def file_inputs(samples: NDArray) -> NDArray[np.float32]:
    """A whole recording, f32 [n] in [-1, 1] at 16 kHz -> the graph's normalised inputs [T, 494] at 50 Hz."""
    pad = np.zeros((CONTEXT, CEPSTRA))
    x = stack_context(np.concatenate([pad, mfcc(samples, CEPSTRA)[::2].astype(np.float64), pad]))
    return ((x - x.mean()) / x.std()).astype(np.float32)


@torch.inference_mode()
def file_logits(network: DeepSpeech, samples: NDArray) -> NDArray[np.float32]:
    """The published pipeline for a whole recording: logits [T, 29] at 50 Hz."""
    return network(torch.from_numpy(file_inputs(samples))).numpy()


class _Stream:
    """What both live extractors share: bookkeeping, voice, and rows of a file known beforehand."""

    width, step = LETTERS, ticks_from_samples(HOP)

    def __init__(self) -> None:
        self._voice = VoicedRows(HOP)
        self._known: NDArray[np.float32] | None = None

    def reset(self) -> None:
        self._voice.reset()
        self._origin: int | None = None
        self._heard = self._given = self._captured_ns = 0

    def push(self, chunk: AudioChunk) -> FeatureRows | None:
        if chunk.rate != SAMPLE_RATE:
            raise UsageError(f"sound at {chunk.rate} Hz where {SAMPLE_RATE} Hz is expected; resample it first")
        if self._origin is None:
            self._origin = chunk.pts
        self._captured_ns = chunk.captured_ns
        self._heard += len(chunk.samples)
        self._voice.push(chunk.samples)
        rows = self._rows(chunk.samples) if self._known is None else self._reveal()
        if not len(rows):
            return None
        pts = self._origin + self._given * self.step
        self._given += len(rows)
        return FeatureRows(rows, pts, self._voice.take(len(rows)), self._captured_ns)

    def _reveal(self) -> NDArray[np.float32]:
        """Rows of the known file whose declared look-ahead has been heard."""
        ready = (ticks_from_samples(self._heard) - self.lookahead) // self.step + 1
        return self._known[self._given:max(ready, self._given)]


class DeepSpeechStream(_Stream):
    """Sound to logits through the graph, in blocks, with bounded look-ahead (see `lookahead`)."""

    def __init__(self, network: DeepSpeech, block: int = BLOCK, future: int = FUTURE):
        super().__init__()
        self.network, self.block, self.future = network, block, future
        self.lookahead = (block - 1 + future + CONTEXT) * self.step + ticks_from_samples(WINDOW)
        self._mfcc = Mfcc(CEPSTRA)
        self.reset()

    def hear_file(self, samples: NDArray[np.float32]) -> None:
        """The whole sound [n] that will be pushed: its rows are then the published ones, exactly."""
        self._known = file_logits(self.network, samples)

    def reset(self) -> None:
        super().reset()
        self._mfcc.reset()
        self._cepstra = np.zeros((CONTEXT, CEPSTRA))         # 50 Hz, from nine rows before the next to answer
        self._odd = 0
        self._counted = CONTEXT                              # rows of `_cepstra` that the statistics hold
        self._state = None
        self._sums = _PRIOR * np.array([1, _SPEECH_MEAN, _SPEECH_MEAN**2 + _SPEECH_DEVIATION**2])

    def _rows(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        fresh = self._mfcc.samples(samples)
        kept = fresh[self._odd % 2::2]
        self._odd += len(fresh)
        self._cepstra = np.concatenate([self._cepstra, kept])
        answers = [np.empty((0, LETTERS), np.float32)]
        while len(self._cepstra) >= CONTEXT + self.block + self.future + CONTEXT:
            answers.append(self._answer())
        return np.concatenate(answers)

    @torch.inference_mode()
    def _answer(self) -> NDArray[np.float32]:
        span = CONTEXT + self.block + self.future + CONTEXT
        self._count(self._cepstra[self._counted:span])
        self._counted = span - self.block
        count, total, square = self._sums
        mean = total / count
        x = (stack_context(self._cepstra[:span]) - mean) / np.sqrt(square / count - mean**2)
        logits, self._state = self.network.span(torch.from_numpy(x.astype(np.float32)), self._state, self.block)
        self._cepstra = self._cepstra[self.block:]
        return logits.numpy()

    def _count(self, rows: NDArray) -> None:
        """Running statistics; digital silence, whose logarithms are far off, is not counted."""
        rows = rows[rows[:, 0] > 0]
        self._sums += np.array([len(rows), rows.mean(1).sum(), (rows**2).mean(1).sum()])


class BridgeStream(_Stream):
    """Sound to logits through a distilled network."""

    def __init__(self, network: Bridge):
        super().__init__()
        self.network = network.eval()
        self._mel = LogMel()
        self.lookahead = REACH * self._mel.step + self._mel.lookahead
        self.reset()

    def reset(self) -> None:
        super().reset()
        self._mel.reset()
        self._cache = self.network.start()

    @torch.inference_mode()
    def _rows(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        mel = torch.from_numpy(self._mel.samples(samples))
        logits, self._cache = self.network(mel[None], self._cache)
        return logits[0].numpy()


def file_difference(extractor: _Stream, reference: NDArray[np.float32], samples: NDArray[np.float32]) -> float:
    """How far a live extractor's rows are from the file's, as a share of the file rows' own deviation (RMS over RMS)."""
    extractor.reset()
    rows = extractor.push(AudioChunk(samples, SAMPLE_RATE, 0, 0, 0))
    extractor.reset()
    live = np.empty((0, LETTERS)) if rows is None else rows.rows
    wanted = reference[:len(live)]
    return float(np.sqrt(np.mean((live - wanted) ** 2)) / wanted.std()) if len(live) else float("nan")


def load_extractor(path: Path) -> DeepSpeechStream | BridgeStream:
    """The live extractor for a frozen graph or a distilled bridge, told apart by what is in the file."""
    with Path(path).open("rb") as file:
        head = file.read(9)
    if head.startswith((b"PK", b"\x80")) or head[8:9] == b"{":
        return BridgeStream(load_weights(Bridge(), path, "bridge"))
    return DeepSpeechStream(load_graph(path))


def create(options: FaceOptions) -> DeepSpeechStream | BridgeStream:
    """The extractor for `options.graph`. Raises WeightsError when there is none or it is not usable."""
    if options.graph is None:
        raise missing_weights("deepspeech", f"a bridge distilled from it ({by_name('bridge').page}); "
                              "`--animator morphable` needs neither")
    if not Path(options.graph).is_file():
        raise missing_weights("deepspeech", f"check the path {options.graph}")
    return load_extractor(options.graph)
