"""`limner bench face`: does the mouth follow the voice, and does it rest when there is none?

Each figure stands beside its baselines from the same run: lips driven by loudness, by a formant rule, and by the wrong
sound (the same sound rolled by 37 %). `material` is a folder with `speech/` (`NAME.wav` and pocketsphinx's
`NAME.phone.json`) and `video/` (clips of talking people); without it only stillness and speed are measured. `speed` is what a picture costs.
Recordings and clips are sorted by name and halved: tables and gains were chosen on the `tuning` half alone.

Mouths are compared twice: `rows`, the lip gap and width the driver asks for, and `film`, those found by landmarks in a
finished, encoded film of the person (there the same judge measures both mouths, so only there amplitudes compare).
`judge` says how well the judge agrees with itself: r between the lips of every picture and of its mirror image.
"""

import json
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from limner.engine.types import AudioChunk
from limner.models.drivers.speech import SpeechDriver
from limner.models.mouth import indices, lip_gap, lip_width
from limner.streams.media import decode_mono

from . import bench_face_speed, face_baselines, face_clips, face_film, face_noises, face_scores
from .bench_engine import provenance

HOP, RATE = 160, 16_000
ROLL = 0.37
CONTACT = 0.75                      # of mouthClose: the lips meet
BARELY = 0.15                       # of a baseline's usual opening: its lips meet
VIDEOS = (".mpg", ".mp4", ".mov", ".mkv", ".webm", ".avi")
HALVES = ("tuning", "report")
MOUTH_CLOSE = indices("mouthClose")[0]


def drive(driver: SpeechDriver, x: NDArray[np.float32]) -> tuple[NDArray, NDArray]:
    """Rows [n, 58] and voice decisions [n] of a whole recording."""
    driver.reset()
    padded = np.concatenate([x, np.zeros(RATE, np.float32)])
    out = driver.push(AudioChunk(padded, RATE, 0, 0, 0))
    n = len(x) // HOP
    return out.rows[:n], out.voiced[:n]


def rolled(x: NDArray) -> NDArray:
    return np.roll(x, int(ROLL * len(x)))


def contacts_by(driver: SpeechDriver, x: NDArray) -> dict[str, NDArray]:
    """Per hop and method: do the lips meet while somebody speaks?"""
    rows, voiced = drive(driver, x)
    wrong, _ = drive(driver, rolled(x))
    out = {"driver": rows[:, MOUTH_CLOSE] >= CONTACT, "shuffled": wrong[:, MOUTH_CLOSE] >= CONTACT}
    for name, rule in (("energy", face_baselines.energy_jaw), ("formant", face_baselines.formant_rule)):
        opening = rule(x)[0][: len(voiced)]
        out[name] = (opening < BARELY * np.quantile(opening, 0.9)) & voiced
    return out


def speech_half(driver: SpeechDriver, files: list[Path]) -> dict:
    """Viseme accuracy and lip contacts over aligned recordings."""
    right = {"driver": 0, "shuffled": 0}
    right_speech = dict(right)
    counts, hops, speech = np.zeros(15), 0, 0
    events: dict[str, list[int]] = {}
    for path in files:
        x = np.concatenate(list(decode_mono(path.with_suffix("").with_suffix(".wav"))))
        heard = {"driver": driver.visemes(x), "shuffled": driver.visemes(rolled(x))}
        truth = face_scores.read_alignment(path, len(heard["driver"]))
        voiced = truth.visemes > 0
        for name, answer in heard.items():
            right[name] += int((answer == truth.visemes).sum())
            right_speech[name] += int((answer == truth.visemes)[voiced].sum())
        counts += np.bincount(truth.visemes, minlength=15)
        hops, speech = hops + len(voiced), speech + int(voiced.sum())
        for name, flags in contacts_by(driver, x).items():
            found = face_scores.spans(flags)
            sums = events.setdefault(name, [0, 0, 0, 0])
            for i, n in enumerate((face_scores.hits(truth.contacts, found), len(truth.contacts),
                                   face_scores.hits(found, truth.contacts), len(found))):
                sums[i] += n
    accuracy = {n: {"all": r / hops, "speech": right_speech[n] / speech} for n, r in right.items()}
    accuracy["commonest"] = {"all": counts.max() / hops, "speech": counts[1:].max() / speech}
    closure = {n: {"recall": a / max(1, b), "precision": c / max(1, d), "cases": b, "found": d}
               for n, (a, b, c, d) in events.items()}
    return {"recordings": len(files), "hops": hops, "visemes": accuracy, "closure": closure}


def curves_by(driver: SpeechDriver, x: NDArray) -> dict[str, tuple[NDArray, NDArray]]:
    """Opening and width per hop and method."""
    rows, _ = drive(driver, x)
    wrong, _ = drive(driver, rolled(x))
    return {"driver": (lip_gap(rows), lip_width(rows)), "shuffled": (lip_gap(wrong), lip_width(wrong)),
            "energy": face_baselines.energy_jaw(x), "formant": face_baselines.formant_rule(x)}


def video_half(driver: SpeechDriver, paths: list[Path], quick: bool) -> dict:
    """Lip curves against real mouths: means over clips, of rows and (not `quick`) of films."""
    rows: dict[str, list] = {}
    films: dict[str, list] = {}
    judge = []
    for path in paths:
        clip = face_clips.read_clip(path)
        judge.append(face_scores.agreement(clip.mouth, face_clips.read_mouth(path, mirrored=True)))
        centres = (np.arange(len(clip.sound) // HOP) + 0.5) * HOP / RATE
        for name, curves in curves_by(driver, clip.sound).items():
            n = min(len(curves[0]), len(centres))
            ours = face_clips.Mouth(centres[:n], curves[0][:n], curves[1][:n])
            rows.setdefault(name, []).append(face_scores.score_mouth(ours, clip.mouth))
        for name, sound in {} if quick else {"driver": clip.sound, "shuffled": rolled(clip.sound)}.items():
            ours = face_film.filmed(path, clip, sound, driver)
            films.setdefault(name, []).append(face_scores.score_mouth(ours, clip.mouth))
    agreed = {part: {"r": float(np.mean(r)), "each_r": np.round(r, 3).tolist()}
              for part, r in zip(("opening", "width"), np.transpose(judge), strict=True)}
    return {"clips": len(paths), "judge": agreed, "rows": {n: summary(s, ratio=False) for n, s in rows.items()},
            "film": {n: summary(s, ratio=True) for n, s in films.items()}}


def summary(pairs: list[tuple[face_scores.CurveScore, face_scores.CurveScore]], ratio: bool) -> dict:
    """Means over clips of opening and width scores; only films have an amplitude that compares."""
    out = {}
    for part, scores in zip(("opening", "width"), zip(*pairs, strict=True), strict=True):
        out[part] = {"r": float(np.mean([s.r for s in scores])), "best_r": float(np.mean([s.best for s in scores])),
                     "lag_ms": 1000 * float(np.median([s.lag for s in scores])),
                     "each_r": [round(s.r, 3) for s in scores]}
        if ratio:
            out[part]["sd_ratio"] = float(np.exp(np.mean(np.log([s.ratio for s in scores]))))
    return out


def stillness(driver: SpeechDriver, speaking_sd: float, seconds: float) -> dict:
    """Opening sd in sounds that are not speech, as a share of speaking, and how often the voice gate opened."""
    out = {}
    for name in face_noises.NOISES:
        rows, voiced = drive(driver, face_noises.make(name, seconds))
        out[name] = {"sd_share": float(lip_gap(rows).std() / speaking_sd), "voiced": float(voiced.mean())}
    return out


def streaming(driver: SpeechDriver, x: NDArray[np.float32], rounds: int) -> dict:
    """Streamed in 20 ms chunks against one pass; the cost of a 10 ms hop, least and median over `rounds`."""
    whole, _ = drive(driver, x)
    costs, chunk = [], 2 * HOP
    for _ in range(rounds):
        driver.reset()
        parts, spent = [], []
        for i in range(0, len(x) - chunk, chunk):
            piece = AudioChunk(x[i:i + chunk], RATE, i, 0, 0)
            start = time.perf_counter()
            out = driver.push(piece)
            spent.append(time.perf_counter() - start)
            parts += [out.rows] if out else []
        costs.append(float(np.median(spent)) * 1000 / 2)
    rows = np.concatenate(parts)
    return {"hop_ms": {"min": min(costs), "median": float(np.median(costs))},
            "streamed_minus_whole_max": float(np.abs(rows - whole[: len(rows)]).max()),
            "lookahead_ms": driver.lookahead / 90}


def babble(seconds: float, seed: int = 0) -> NDArray[np.float32]:
    """Vowel-like sound without any recording: for the speed figure and as the speaking sd where no material is given."""
    rng = np.random.default_rng(seed)
    t = np.arange(int(seconds * RATE)) / RATE
    source = np.sign(np.sin(2 * np.pi * np.cumsum(120 + 20 * np.sin(2 * np.pi * 0.7 * t)) / RATE))
    envelope = np.clip(np.sin(2 * np.pi * 3 * t) + 0.3, 0, 1) * np.clip(np.sin(2 * np.pi * 0.25 * t) + 0.7, 0, 1)
    return (0.1 * envelope * (source + rng.normal(0, 0.2, len(t)))).astype(np.float32)


def halves(paths: list) -> dict[str, list]:
    return {HALVES[0]: paths[0::2], HALVES[1]: paths[1::2]}


def run(json_path: Path | None, quick: bool = False, material: Path | None = None) -> dict:
    """Measure and return the figures; also write them to `json_path` if given. `quick` takes one file of each half."""
    driver = SpeechDriver()
    asked = " --material DIR" * (material is not None) + " --quick" * quick
    result: dict = {"about": provenance("limner bench face" + asked)}
    voice = babble(8)
    if material is not None:
        recordings = sorted((Path(material) / "speech").glob("*.phone.json"))[: 2 if quick else None]
        videos = sorted(p for p in (Path(material) / "video").glob("*") if p.suffix in VIDEOS)[: 2 if quick else None]
        result["speech"] = {half: speech_half(driver, files) for half, files in halves(recordings).items() if files}
        result["mouth"] = {half: video_half(driver, some, quick) for half, some in halves(videos).items() if some}
        sounds = [np.concatenate(list(decode_mono(p))) for p in videos]
        voice = np.concatenate(sounds or [voice])
    result["stillness"] = stillness(driver, float(lip_gap(drive(driver, voice)[0]).std()), 6 if quick else 20)
    result["streaming"] = streaming(driver, voice, 1 if quick else 5)
    result["speed"] = bench_face_speed.speeds(voice[:(2 if quick else 20) * RATE])
    text = json.dumps(result, indent=1)
    if json_path:
        Path(json_path).write_text(text + "\n", encoding="utf-8")
    print(text)
    return result
