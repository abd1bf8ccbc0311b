"""The corpus as training sees it: log-mel rows with their labels, pauses between utterances, random crops."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from limner.models.features.logmel import DRIVER, LogMel

from .speech_corpus import RATE, read_shard
from .speech_labels import lips, rows, segments

HOP = DRIVER.hop
PAUSE_MEAN, PAUSE_MAX = 0.55, 2.5      # s; with the pauses inside sentences about a quarter of the rows is silence


@dataclass(frozen=True, slots=True)
class Stream:
    """One shard as rows: `mel` f16 [n, 80], `classes` u8 [n], `lips` f16 [n, 2]."""

    mel: NDArray[np.float16]
    classes: NDArray[np.uint8]
    lips: NDArray[np.float16]


def build_stream(shard: Path, seed: int) -> Stream:
    """Utterances one after the other with digital silence between them."""
    audio, index = read_shard(shard)
    rng = np.random.default_rng([seed, len(audio)])
    extractor, mel, classes, targets = LogMel(DRIVER), [], [], []
    for u in index:
        n = u["length"] // HOP
        pause = int(np.clip(rng.exponential(PAUSE_MEAN), 0.08, PAUSE_MAX) / (HOP / RATE))
        sound = audio[u["start"]:u["start"] + n * HOP] / np.float32(32768)
        stretches = segments(u["phones"], u["voice"].split(":")[0])
        mel.append(extractor.samples(np.concatenate([sound, np.zeros(pause * HOP, np.float32)])).astype(np.float16))
        classes += [rows(stretches, n), np.zeros(pause, np.uint8)]
        targets.append(lips(stretches, n + pause).astype(np.float16))
    joined = np.concatenate(mel)
    n = len(joined)
    return Stream(joined, np.concatenate(classes)[:n], np.concatenate(targets)[:n])


def load_stream(shard: Path, cache: Path, seed: int) -> Stream:
    """As `build_stream`, kept in `cache`."""
    path = cache / f"{shard.stem}.rows.npz"
    if not path.exists():
        stream = build_stream(shard, seed)
        cache.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".part.npz")
        np.savez(partial, mel=stream.mel, classes=stream.classes, lips=stream.lips)
        partial.rename(path)
        return stream
    with np.load(path, allow_pickle=False) as z:
        return Stream(z["mel"], z["classes"], z["lips"])


@dataclass(frozen=True, slots=True)
class Crops:
    mel: NDArray[np.float32]               # [B, T, 80]
    classes: NDArray[np.int64]             # [B, T]
    lips: NDArray[np.float32]              # [B, T, 2]


def tempo(t: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Where each of `t` rows is read, from 0: an uneven pace, 0.75 to 1.3 times as fast; a third keep the original."""
    if rng.random() < 1 / 3:
        return np.arange(t, dtype=float)
    knots = np.exp(rng.normal(rng.uniform(-0.15, 0.15), 0.1, t // 40 + 2))
    pace = np.interp(np.arange(t), np.arange(len(knots)) * 40, np.clip(knots, 0.75, 1.3))
    return np.cumsum(pace) - pace[0]


def cut(stream: Stream, t: int, rng: np.random.Generator) -> tuple[NDArray, NDArray, NDArray]:
    """One random stretch at its own tempo: log-mel and lips interpolated, classes from the nearest row."""
    at = tempo(t, rng)
    at += rng.integers(len(stream.classes) - int(at[-1]) - 2)
    low = at.astype(int)
    part = (at - low).astype(np.float32)[:, None]
    blend = [a[low].astype(np.float32) * (1 - part) + a[low + 1].astype(np.float32) * part
             for a in (stream.mel, stream.lips)]
    return blend[0], stream.classes[np.round(at).astype(int)].astype(np.int64), blend[1]


def draw_crops(streams: list[Stream], b: int, t: int, rng: np.random.Generator) -> Crops:
    """Random stretches, every row of the corpus about as likely as any other."""
    sizes = np.array([len(s.classes) for s in streams], float)
    picks = rng.choice(len(streams), b, p=sizes / sizes.sum())
    mel, classes, targets = zip(*(cut(streams[i], t, rng) for i in picks), strict=True)
    return Crops(np.stack(mel), np.stack(classes), np.stack(targets))
