"""Viseme rows, and the lip gap and width that a row of ARKit weights asks for."""

import tomllib
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from limner.engine.errors import InputError
from limner.engine.types import ARKIT_INDEX, EXPRESSION_ROW

from .phones import CLASSES, PARENT

TABLE = Path(__file__).parent / "drivers" / "visemes.toml"

# What each weight does, in distances between the outer eye corners; visemes.toml says the same in words.
GAP = {"mouthLowerDown": 0.053, "mouthUpperUp": 0.039, "mouthFunnel": 0.045, "mouthPucker": 0.006,
       "mouthRollLower": -0.035, "mouthRollUpper": -0.009, "mouthPress": -0.013}
GAP_JAW = 0.425
WIDTH = {"mouthStretch": 0.131, "mouthSmile": 0.117, "mouthPucker": -0.111, "mouthFunnel": -0.046, "jawOpen": -0.02}


def indices(name: str) -> list[int]:
    """Columns of an ARKit name; of both sides for a name without its side."""
    return [ARKIT_INDEX[n] for n in (name, f"{name}Left", f"{name}Right") if n in ARKIT_INDEX]


@cache
def viseme_table(path: Path = TABLE) -> NDArray[np.float32]:
    """The mouth of every class, f32 [K, 58] in [0, 1].

    Raises:
        InputError: a class is missing or unknown, a blend shape is unknown, or a weight lies outside [0, 1].
    """
    try:
        sections = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as e:
        raise InputError(f"{path} is not a readable viseme table: {e}") from e
    if set(sections) != set(CLASSES):
        odd = sorted(set(sections) ^ set(CLASSES))
        raise InputError(f"{path}: expected one section per class, {', '.join(odd)} missing or unknown")
    table = np.zeros((len(CLASSES), EXPRESSION_ROW), np.float32)
    for i, name in enumerate(CLASSES):
        table[i] = _row(path, name, sections[name])
    return table


def _row(path: Path, name: str, section: dict) -> NDArray[np.float32]:
    row = np.zeros(EXPRESSION_ROW, np.float32)
    if section.get("viseme") != PARENT.get(name, name) or not section.get("why"):
        raise InputError(f"{path}: [{name}] needs viseme = \"{PARENT.get(name, name)}\" and a reason, why = \"...\"")
    for shape, weight in section.items():
        if shape in ("viseme", "why"):
            continue
        columns = indices(shape)
        if not columns or not isinstance(weight, int | float) or not 0 <= weight <= 1:
            raise InputError(f"{path}: [{name}] {shape} = {weight!r}: expected an ARKit blend shape and a weight 0 to 1")
        row[columns] = weight
    return row


def _vector(shares: dict[str, float]) -> NDArray[np.float32]:
    """[52] so that weights @ vector sums the shares, both sides averaged."""
    vector = np.zeros(len(ARKIT_INDEX), np.float32)
    for name, share in shares.items():
        columns = indices(name)
        vector[columns] = share / len(columns)
    return vector


_GAP, _WIDTH, _SHAPES = _vector(GAP), _vector(WIDTH), len(ARKIT_INDEX)
_JAW, _CLOSE = ARKIT_INDEX["jawOpen"], ARKIT_INDEX["mouthClose"]


def lip_gap(rows: NDArray) -> NDArray:
    """Lip gap in inter-ocular distances that weights [..., 52 or more] ask for."""
    jaw = GAP_JAW * rows[..., _JAW] * (1 - rows[..., _CLOSE])
    return np.maximum(0, jaw + rows[..., :_SHAPES] @ _GAP)


def lip_width(rows: NDArray) -> NDArray:
    """Change of the mouth's width in inter-ocular distances that weights [..., 52 or more] ask for."""
    return rows[..., :_SHAPES] @ _WIDTH


LIPS_SHUT = [i for n in ("mouthClose", "mouthPress", "mouthRollLower", "mouthRollUpper") for i in indices(n)]
LIPS_APART = [i for n in ("mouthLowerDown", "mouthUpperUp", "mouthFunnel") for i in indices(n)]
