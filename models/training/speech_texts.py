"""Sentences for the speech corpus: a small grammar per language, pseudo-words, and Debian's fortunes where installed."""

import re
import tomllib
from functools import cache
from pathlib import Path

import numpy as np

FORTUNES = Path("/usr/share/games/fortunes")
ONSETS = ["p", "b", "m", "f", "v", "w", "th", "t", "d", "s", "z", "n", "l", "r", "sh", "ch", "j", "k", "g", "h", "y",
          "pl", "br", "fr", "thr", "st", "sp", "sm", "tr", "dr", "kl", "gr", "sw", "bl", "pr"]
NUCLEI = ["a", "e", "i", "o", "u", "ee", "oo", "ay", "ow", "oy", "ar", "or", "er", "ai", "ie", "ea"]
CODAS = ["", "", "", "p", "b", "m", "f", "v", "th", "t", "d", "s", "z", "n", "l", "sh", "ch", "k", "ng", "mp", "st"]


@cache
def grammar() -> dict:
    """The word lists of `speech_texts.toml`, by language."""
    return tomllib.loads((Path(__file__).parent / "speech_texts.toml").read_text(encoding="utf-8"))


@cache
def fortunes(folder: Path = FORTUNES) -> tuple[str, ...]:
    """Plain English sentences of 25 to 160 characters from the fortune files; empty where they are not installed."""
    sentences: list[str] = []
    for path in sorted(p for p in folder.glob("*") if p.is_file() and not p.suffix):
        text = path.read_text(encoding="utf-8", errors="ignore")
        for entry in re.split(r"\n%\n", text):
            flat = re.sub(r"\s+", " ", entry.split("\n\t\t--")[0])
            sentences += re.findall(r"[A-Z][A-Za-z,' -]{24,159}[.?!]", flat)
    return tuple(dict.fromkeys(sentences))


def grammar_sentence(language: str, rng: np.random.Generator) -> str:
    lists = grammar()[language]
    parts = [str(rng.choice(lists[name])) for name in lists["order"]]
    return re.sub(r"\s+", " ", re.sub(r" +(?=[.,?!。])", "", " ".join(parts))).strip()


def pseudo_sentence(rng: np.random.Generator) -> str:
    """Three to seven invented words: every onset meets every nucleus, which real text never offers evenly."""
    words = []
    for _ in range(int(rng.integers(3, 8))):
        syllables = int(rng.choice([1, 2, 3], p=[0.4, 0.4, 0.2]))
        words.append("".join(str(rng.choice(part)) for _ in range(syllables) for part in (ONSETS, NUCLEI, CODAS)))
    return " ".join(words) + "."


def english(rng: np.random.Generator) -> str:
    kind = rng.random()
    if kind < 0.15:
        return pseudo_sentence(rng)
    found = fortunes()
    if kind < 0.75 and found:
        return found[int(rng.integers(len(found)))]
    return grammar_sentence("en", rng)


def foreign(rng: np.random.Generator) -> tuple[str, str]:
    """A sentence and the espeak-ng voice that reads it, languages drawn by their share."""
    table = grammar()
    names = list(table)
    share = np.array([table[n]["share"] for n in names])
    language = names[int(rng.choice(len(names), p=share / share.sum()))]
    voice = str(rng.choice(table[language]["voice"]))
    return (english(rng) if language == "en" else grammar_sentence(language, rng)), voice
