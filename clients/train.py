"""`limner train`: DINet by its published recipe, and the bridge that makes it conversational."""

import hashlib
import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from limner.engine.clock import MonotonicClock, seconds
from limner.engine.errors import InputError, LimnerError, UsageError
from limner.models.deepspeech import DeepSpeech, load_graph
from limner.models.devices import choose
from limner.models.features.deepspeech import file_logits
from limner.models.syncnet import build_network as build_sync
from limner.models.training.bridge_train import BridgeTrainer, lesson
from limner.models.training.dinet_data import Footage, Sampler, load_footage, save_footage
from limner.models.training.dinet_prepare import prepare
from limner.models.training.dinet_train import SEED, STAGES, Trainer
from limner.models.training.vgg import load_vgg
from limner.models.weights import load_weights
from limner.streams.media import decode_mono

VIDEOS = {".mp4", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg"}
SOUNDS = VIDEOS | {".wav", ".flac", ".mp3", ".ogg", ".opus", ".m4a", ".aac"}
_SAVE_EVERY = 300                            # seconds of training that a crash may cost


def run_dinet(videos: Path, out: Path, *, graph: Path, stage: str = "frame64", start: Path | None = None, vgg: Path | None = None,
              sync: Path | None = None, steps: int | None = None, batch: int | None = None, freeze_norm: bool = False,
              seed: int = SEED, device: str = "auto") -> int:
    """Train one stage on a folder of talking videos; state and result lie in `out`/`stage`.pth, which is gone on from.

    `graph` is the frozen Deep Speech graph, `start` the generator of an earlier stage (or a published one), `vgg`
    torchvision's VGG-19, `sync` DINet's lip-sync network (clip stage). `steps` ends earlier than the recipe's epochs.
    Raises UsageError, InputError, MediaError, PortraitError or WeightsError.
    """
    if stage not in STAGES:
        raise UsageError(f"--stage {stage}: expected one of {', '.join(STAGES)}")
    recipe = replace(STAGES[stage], batch=batch or STAGES[stage].batch, frozen_norm=freeze_norm)
    heard = load_graph(graph)
    helpers = {"vgg": load_vgg(vgg) if vgg else None, "sync": load_weights(build_sync("dinet"), sync, "dinet.sync") if sync else None}
    footage = list(footages(listed(videos, VIDEOS, "videos"), heard, recipe.mouth, out / "clips", seed))
    trainer = Trainer(recipe, Sampler(footage, recipe.mouth, seed), **helpers, seed=seed, device=choose(device))
    state = out / f"{stage}.pth"
    if state.is_file():
        trainer.resume(state)
    elif start:
        load_weights(trainer.modules["net_g"], start, "dinet")
    if not vgg:
        say("no --vgg: plain L1 stands in for the perception loss\n")
    return _train(trainer, state, steps, lambda losses: f"{stage} epoch {trainer.epoch} L1 {losses['l1']:.4f}")


def run_bridge(speech: Path, out: Path, *, graph: Path, steps: int = 6000, seed: int = 0, device: str = "auto") -> int:
    """Distil a frozen Deep Speech graph on a folder of speech into the bridge file `out`, which is gone on from."""
    heard = load_graph(graph)
    lessons = []
    files = listed(speech, SOUNDS, "recordings")
    for number, path in enumerate(files, 1):
        say(f"hearing {number}/{len(files)} {path.name}")
        lessons.append(lesson(heard, sound(path)))
    trainer = BridgeTrainer(lessons, steps=steps, seed=seed, device=choose(device))
    if out.is_file():
        trainer.resume(out)
    status = _train(trainer, out, None, lambda loss: f"bridge loss {loss:.4f}")
    say(f"error on recordings kept back: {trainer.error():.3f} of the logits' own spread (1 is no use)\n")
    return status


def _train(trainer: Trainer | BridgeTrainer, state: Path, steps: int | None, line) -> int:
    """Step until the recipe ends, `steps` are done or the user interrupts; the state is written in every case."""
    clock = MonotonicClock()
    saved, result = clock.now(), None
    try:
        while not trainer.finished and (steps is None or trainer.steps < steps):
            result = trainer.step()
            say(f"step {trainer.steps} {line(result)}")
            if seconds(clock.now() - saved) > _SAVE_EVERY:
                trainer.save(state)
                saved = clock.now()
    finally:
        trainer.save(state)
        say(f"step {trainer.steps}{' ' + line(result) if result else ''}, written to {state}\n")
    return 0


def say(text: str) -> None:
    """One line that is written over while it changes; on no terminal only finished lines are printed."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)
    elif text.endswith("\n"):
        print(text, end="", file=sys.stderr, flush=True)


def listed(folder: Path, endings: set[str], what: str) -> list[Path]:
    """Files of a folder (or one file) with known endings, sorted. InputError when there are none."""
    found = [folder] if folder.is_file() else sorted(p for p in folder.rglob("*") if p.suffix.lower() in endings)
    if not found:
        raise InputError(f"{folder}: no {what} in it; expected files such as {', '.join(sorted(endings)[:4])}")
    return found


def sound(path: Path) -> NDArray[np.float32]:
    return np.concatenate(list(decode_mono(path)))


def footages(videos: list[Path], graph: DeepSpeech, mouth: int, folder: Path, seed: int) -> Iterable[Footage]:
    """Clips of every usable video, kept in `folder` so that they are cut once. InputError when none is usable."""
    folder.mkdir(parents=True, exist_ok=True)
    usable = 0
    for number, path in enumerate(videos, 1):
        say(f"preparing {number}/{len(videos)} {path.name}")
        try:
            yield _footage(path, graph, mouth, folder, seed)
            usable += 1
        except LimnerError as error:
            say(f"left out: {error}\n")
    if not usable:
        raise InputError(f"none of {len(videos)} videos can be used; each reason is told above")


def _footage(path: Path, graph: DeepSpeech, mouth: int, folder: Path, seed: int) -> Footage:
    name = hashlib.sha256(f"{path.resolve()}|{path.stat().st_size}|{mouth}|{seed}".encode()).hexdigest()[:16]
    kept = folder / f"{name}.npz"
    if kept.is_file():
        return load_footage(kept, mouth)
    footage = prepare(path, file_logits(graph, sound(path))[::2], mouth, seed)
    save_footage(kept, footage)
    return footage
