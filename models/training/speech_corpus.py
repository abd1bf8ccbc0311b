"""Speech with exact phone times, made from nothing by flite and espeak-ng.

A shard is one `.npz`: `audio` i16 [n] at 16 kHz, every utterance after the other, and `index`, UTF-8 JSON of a list of
`{"start", "length" (samples), "voice", "text", "phones": [[symbol, end_s], ...]}`. flite's voices are cut from or fitted
to real recordings and carry over to real speech; espeak-ng is a formant synthesiser and brings the languages. The vocal
tract and pitch of each utterance are moved by resampling, which keeps the phone times exact.
"""

import ctypes
import json
import subprocess
import tempfile
import wave
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from limner.engine.errors import MissingPackage

from . import speech_texts

RATE = 16_000
FLITE_VOICES = {"slt": (150, 240), "rms": (80, 150), "awb": (90, 190), "kal16": (80, 150)}   # voice -> f0 mean range, Hz
FLITE_SHARES = (0.29, 0.29, 0.29, 0.13)
ESPEAK_VARIANTS = ("", "+m1", "+m2", "+m3", "+m4", "+m5", "+m6", "+m7", "+m8", "+f1", "+f2", "+f3", "+f4", "+f5", "+croak")
WARP = 0.17                        # resampling moves pitch and formants by up to +-17 %
PLAIN = 0.35                       # share of utterances left unwarped

Phones = list[tuple[str, float]]   # symbol, end time in s


@dataclass(frozen=True, slots=True)
class Utterance:
    audio: np.ndarray              # f32 [n] at 16 kHz
    phones: Phones
    voice: str
    text: str


def resample(x: np.ndarray, ratio: float) -> np.ndarray:
    """Length times `ratio` by cutting or padding the spectrum: band-limited, exact for whole utterances."""
    n = max(1, round(len(x) * ratio))
    spectrum = np.fft.rfft(x)
    kept = np.zeros(n // 2 + 1, spectrum.dtype)
    m = min(len(kept), len(spectrum))
    kept[:m] = spectrum[:m]
    return (np.fft.irfft(kept, n) * (n / len(x))).astype(np.float32)


def read_wave(path: Path) -> tuple[np.ndarray, int]:
    with wave.open(str(path)) as f:
        samples = np.frombuffer(f.readframes(f.getnframes()), np.int16)
        return samples.astype(np.float32) / 32768, f.getframerate()


def flite(text: str, voice: str, f0: float, stretch: float) -> Utterance | None:
    """One utterance by flite, or None where it fails on the text.

    Raises:
        MissingPackage: flite is not installed.
    """
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "x.wav"
        command = ["flite", "-voice", voice, "-psdur", "--setf", f"duration_stretch={stretch:.3f}",
                   "--setf", f"int_f0_target_mean={f0:.1f}", "-t", text, "-o", str(out)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        except FileNotFoundError as e:
            raise MissingPackage("flite is not installed: apt install flite") from e
        if done.returncode or not out.exists():
            return None
        audio, rate = read_wave(out)
    phones = [(p, float(t)) for p, t in (w.rsplit(":", 1) for w in done.stdout.split() if ":" in w)]
    audio = audio if rate == RATE else resample(audio, RATE / rate)
    return Utterance(audio, phones, f"flite:{voice}", text) if phones else None


class _EventId(ctypes.Union):
    _fields_ = (("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8))


class _Event(ctypes.Structure):    # speak_lib.h, espeak_EVENT
    _fields_ = (("type", ctypes.c_int), ("unique", ctypes.c_uint), ("position", ctypes.c_int),
                ("length", ctypes.c_int), ("audio_ms", ctypes.c_int), ("sample", ctypes.c_int),
                ("user", ctypes.c_void_p), ("id", _EventId))


_CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))


class Espeak:
    """libespeak-ng in this process: sound with the start of every phone in IPA."""

    RETRIEVAL, PHONEME_EVENTS, IPA, PHONEME = 1, 1, 2, 7      # speak_lib.h
    RATE_WPM, PITCH, RANGE, UTF8 = 1, 3, 4, 1

    def __init__(self) -> None:
        try:
            self._lib = ctypes.CDLL("libespeak-ng.so.1")
        except OSError as e:
            raise MissingPackage("libespeak-ng is not installed: apt install espeak-ng libespeak-ng1") from e
        self.rate = self._lib.espeak_Initialize(self.RETRIEVAL, 0, None, self.PHONEME_EVENTS | self.IPA)
        self._sound: list[np.ndarray] = []
        self._starts: list[tuple[int, str]] = []
        self._keep = _CALLBACK(self._take)                    # ctypes drops a callback nobody holds
        self._lib.espeak_SetSynthCallback(self._keep)

    def _take(self, samples, n, events) -> int:
        i = 0
        while events[i].type:
            if events[i].type == self.PHONEME:
                self._starts.append((events[i].sample, events[i].id.string.decode("utf-8", "ignore")))
            i += 1
        if samples and n:
            self._sound.append(np.ctypeslib.as_array(samples, (n,)).copy())
        return 0

    def say(self, text: str, voice: str, wpm: int, pitch: int, span: int) -> Utterance | None:
        if self._lib.espeak_SetVoiceByName(voice.encode()):
            return None
        for parameter, value in ((self.RATE_WPM, wpm), (self.PITCH, pitch), (self.RANGE, span)):
            self._lib.espeak_SetParameter(parameter, value, 0)
        self._sound.clear()
        self._starts.clear()
        data = text.encode()
        self._lib.espeak_Synth(data, len(data) + 1, 0, 1, 0, self.UTF8, None, None)
        self._lib.espeak_Synchronize()
        if not self._sound or len(self._starts) < 3:
            return None
        raw = np.concatenate(self._sound).astype(np.float32) / 32768
        ends = [s for s, _ in self._starts[1:]] + [len(raw)]
        phones = [("", self._starts[0][0] / self.rate)]
        phones += [(p, end / self.rate) for (_, p), end in zip(self._starts, ends, strict=True)]
        return Utterance(resample(raw, RATE / self.rate), phones, f"espeak:{voice}", text)


@cache
def the_espeak() -> Espeak:
    """The library keeps one global voice: one instance per process."""
    return Espeak()


def warped(utterance: Utterance, rng: np.random.Generator) -> Utterance:
    """Another vocal tract: pitch, formants and tempo moved together; the phone times follow."""
    if rng.random() < PLAIN:
        return utterance
    ratio = float(np.exp(rng.uniform(-WARP, WARP)))
    phones = [(p, t * ratio) for p, t in utterance.phones]
    return Utterance(resample(utterance.audio, ratio), phones, utterance.voice, utterance.text)


def draw(engine: str, rng: np.random.Generator) -> Utterance | None:
    """One random utterance of `engine` ("flite" or "espeak")."""
    if engine == "flite":
        voice = str(rng.choice(list(FLITE_VOICES), p=FLITE_SHARES))
        return flite(speech_texts.english(rng), voice, rng.uniform(*FLITE_VOICES[voice]), rng.uniform(0.8, 1.3))
    text, voice = speech_texts.foreign(rng)
    variant = str(rng.choice(ESPEAK_VARIANTS))
    return the_espeak().say(text, voice + variant, int(rng.integers(120, 235)), int(rng.integers(20, 80)),
                            int(rng.integers(25, 90)))


def make_shard(path: Path, engine: str, seconds: float, seed: list[int]) -> None:
    """Write one shard of at least `seconds` of speech; the same seed gives the same shard."""
    rng = np.random.default_rng(seed)
    parts, index, total = [], [], 0
    while total < seconds * RATE:
        utterance = draw(engine, rng)
        if utterance is None:
            continue
        u = warped(utterance, rng)
        pcm = (np.clip(u.audio / max(1.0, float(np.abs(u.audio).max())), -1, 1) * 32767).astype(np.int16)
        index.append({"start": total, "length": len(pcm), "voice": u.voice, "text": u.text, "phones": u.phones})
        parts.append(pcm)
        total += len(pcm)
    partial = path.with_suffix(".part.npz")
    np.savez(partial, audio=np.concatenate(parts),
             index=np.frombuffer(json.dumps(index, ensure_ascii=False).encode(), np.uint8))
    partial.rename(path)


def read_shard(path: Path) -> tuple[np.ndarray, list[dict]]:
    with np.load(path, allow_pickle=False) as z:
        return z["audio"], json.loads(z["index"].tobytes())


def make_corpus(folder: Path, hours: float, flite_share: float, seed: int, say=print) -> list[Path]:
    """All shards of about 15 minutes each in `folder`, those already there kept; returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    shards = max(4, round(hours * 4))
    paths = []
    for i in range(shards):
        engine = "flite" if (i + 1) * flite_share // 1 > i * flite_share // 1 else "espeak"
        path = folder / f"{engine}_{seed}_{i:03d}.npz"
        if not path.exists():
            say(f"speech: shard {i + 1} of {shards} ({engine})")
            make_shard(path, engine, hours * 3600 / shards, [seed, i])
        paths.append(path)
    return paths
