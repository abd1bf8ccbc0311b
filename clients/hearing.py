"""`limner models --hear SOUND`: what a live Deep Speech costs in delay, and how far it is from the file pipeline."""

from pathlib import Path

import numpy as np

from limner.engine.clock import milliseconds
from limner.engine.errors import UsageError
from limner.models.deepspeech import load_graph
from limner.models.features.deepspeech import DeepSpeechStream, file_difference, file_logits, load_extractor
from limner.streams.media import decode_mono

_MOST_SECONDS = 60


def run(sound: Path, graph: Path, bridge: Path | None = None) -> int:
    """Print, for the graph run live and for a bridge, the declared delay and the difference to the file's rows.

    The difference is the RMS over the rows' own RMS deviation: 0 is the file itself, 1 is no use. Raises MediaError or
    WeightsError for files that cannot be used.
    """
    network = load_graph(graph)
    samples = np.concatenate(list(decode_mono(sound)))[:_MOST_SECONDS * 16_000]
    wanted = file_logits(network, samples)
    told = [("graph, live", DeepSpeechStream(network))]
    if bridge:
        extractor = load_extractor(bridge)
        if isinstance(extractor, DeepSpeechStream):
            raise UsageError(f"{bridge}: a frozen graph; --bridge expects what `limner train bridge` wrote")
        told.append(("bridge", extractor))
    print(f"{'graph, file':12} needs the whole recording, difference 0")
    for name, extractor in told:
        difference = file_difference(extractor, wanted, samples)
        print(f"{name:12} {milliseconds(extractor.lookahead):.0f} ms of look-ahead, difference {difference:.3f}")
    return 0
