"""Frozen graphs for tests: a small Deep Speech with random weights, in TensorFlow's own file format."""

from pathlib import Path

import numpy as np


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def field(number: int, value: int | bytes) -> bytes:
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def constant(name: str, values: np.ndarray, *, listed: bool = False) -> bytes:
    """A Const node; `listed` spells the values as float_val instead of tensor_content."""
    shape = b"".join(field(2, field(1, n)) for n in values.shape)
    raw = values.astype("<f4").tobytes()
    tensor = field(1, 1) + field(2, shape) + field(5 if listed else 4, raw)
    value = field(5, field(1, b"value") + field(2, field(8, tensor)))
    kind = field(5, field(1, b"dtype") + field(2, field(6, 1)))
    return field(1, field(1, name.encode()) + field(2, b"Const") + kind + value)


def other(name: str, operation: str) -> bytes:
    return field(1, field(1, name.encode()) + field(2, operation.encode()) + field(3, b"h1"))


def deep_speech(seed: int = 0, width: int = 24, cell: int = 16) -> dict[str, np.ndarray]:
    """Constants of a graph with the published names and small layers."""
    rng = np.random.default_rng(seed)

    def matrix(rows, columns, gain=1.4):
        return (rng.standard_normal((rows, columns)) * gain / np.sqrt(rows)).astype(np.float32)

    def bias(n):
        return (0.1 * rng.standard_normal(n)).astype(np.float32)
    constants = {}
    layers = {"1": (494, width), "2": (width, width), "3": (width, 2 * width), "5": (2 * cell, width), "6": (width, 29)}
    for number, (rows, columns) in layers.items():
        constants[f"h{number}"], constants[f"b{number}"] = matrix(rows, columns), bias(columns)
    for side in ("fw", "bw"):
        place = f"bidirectional_rnn/{side}/basic_lstm_cell"
        constants[f"{place}/kernel"], constants[f"{place}/bias"] = matrix(2 * width + cell, 4 * cell), bias(4 * cell)
    return constants


def write(path: Path, constants: dict[str, np.ndarray]) -> Path:
    nodes = [constant(name, values, listed=values.ndim == 1) for name, values in constants.items()]
    nodes += [other(f"{name}/read", "Identity") for name in constants]
    path.write_bytes(b"".join(nodes) + field(4, field(1, 22)))                # versions {producer: 22}
    return path
