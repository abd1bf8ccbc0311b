"""The report a training run leaves behind: what the weights were made from and how they did, in numbers."""

import json
import platform
from collections import Counter
from dataclasses import asdict
from pathlib import Path

from .speech_corpus import RATE, read_shard
from .speech_train import Plan

KEPT = "## Measured on real speech"          # from this heading on, the report is written by hand and kept
INTRO = """# How the speech driver was trained

Written by `python -m limner.models.training.speech`. The weights in `models/data/speech.npz` come from synthetic speech
alone: flite (statistical and diphone voices made from real recordings) and espeak-ng (formant synthesis, for the
languages), whose phone times are exact. No recording of a person was trained on.
"""


def hours_by_voice(shards: list[Path]) -> dict[str, float]:
    """Hours of speech per synthesiser and language or voice."""
    seconds: Counter[str] = Counter()
    for shard in shards:
        for u in read_shard(shard)[1]:
            engine, voice = u["voice"].split(":")
            seconds[f"{engine} {voice.split('+')[0].split('-')[0]}"] += u["length"] / RATE
    return {name: round(s / 3600, 2) for name, s in seconds.most_common()}


def table(rows: list[dict]) -> str:
    names = list(rows[0])
    lines = ["| " + " | ".join(names) + " |", "|" + " --- |" * len(names)]
    lines += ["| " + " | ".join(str(r[n]).strip("[]") for n in names) + " |" for r in rows]
    return "\n".join(lines)


def write_report(path: Path, shards: list[Path], plan: Plan, history: list[dict], corpus_seed: int, bytes_: int) -> None:
    hours = hours_by_voice(shards)
    kept = ""
    if path.exists() and KEPT in (old := path.read_text(encoding="utf-8")):
        kept = "\n" + old[old.index(KEPT):]
    shown = history[:: max(1, len(history) // 12)]
    if shown[-1] is not history[-1]:
        shown.append(history[-1])
    crops = (plan.steps + plan.varied_steps) * plan.batch
    seen = crops * plan.crop / 100 / 3600
    text = f"""{INTRO}
## Corpus

{sum(hours.values()):.1f} hours, seed {corpus_seed}, the last flite and the last espeak-ng shard held out.

{table([{"voice": k, "hours": v} for k, v in hours.items()])}

## Run

Plan: `{json.dumps(asdict(plan))}`. {crops} crops of {plan.crop / 100:.0f} s ({seen:.0f} hours heard,
augmented anew each time). Losses: class cross-entropy, closure (binary, positives x4), co-articulated lip targets
(squared). Averaged weights. One thread, {platform.machine()}, Python {platform.python_version()}.
File: {bytes_} bytes.

Losses of the last batch, and share of hops with the right viseme of 15 on held-out utterances, clean and augmented:

{table(shown)}
{kept}"""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text.rstrip() + "\n", encoding="utf-8")
