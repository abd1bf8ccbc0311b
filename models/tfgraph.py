"""The constants of a frozen TensorFlow graph, read from its protobuf bytes.

A GraphDef is a list of nodes; a frozen graph keeps its weights in nodes whose operation is "Const". Only those are
looked at, nothing is executed, and every length is checked against the bytes that are left before it is used.
Wire format: protobuf.dev/programming-guides/encoding. Field numbers: graph.proto, node_def.proto, attr_value.proto,
tensor.proto of TensorFlow 1.
"""

from collections.abc import Iterator
from math import prod
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from limner.engine.errors import TooLarge, WeightsError

MOST_BYTES = 2 << 30                         # protobuf's own limit
_MOST_FILLED = 1 << 24                       # values of a constant that is stated once and repeated
_TYPES = {1: np.dtype("<f4"), 2: np.dtype("<f8"), 19: np.dtype("<f2")}
_VALUES = {5: np.dtype("<f4"), 6: np.dtype("<f8")}           # float_val, double_val


class _Broken(Exception):
    pass


def read_constants(path: Path) -> dict[str, NDArray[np.float32]]:
    """Every floating-point constant of a frozen graph, by node name, as float32.

    Raises WeightsError when the file is missing, no GraphDef or damaged; TooLarge above 2 GiB.
    """
    try:
        if Path(path).stat().st_size > MOST_BYTES:
            raise TooLarge(f"{path}: a frozen graph has at most {MOST_BYTES >> 30} GiB")
        return _constants(memoryview(np.memmap(path, np.uint8, "r")))
    except (_Broken, ValueError, TypeError, UnicodeDecodeError) as error:
        raise WeightsError(f"{path}: not a readable frozen TensorFlow graph ({error}); expected output_graph.pb of Deep Speech 0.1.0") from error
    except OSError as error:
        raise WeightsError(f"{path}: cannot read the graph ({error.strerror}); check the path") from error


def _constants(data: memoryview) -> dict[str, NDArray[np.float32]]:
    found = {}
    for number, node in _fields(data):
        if number == 1 and isinstance(node, memoryview):
            name, values = _node(node)
            if values is not None:
                found[name] = values
    return found


def _node(data: memoryview) -> tuple[str, NDArray[np.float32] | None]:
    name, operation, value = "", "", None
    for number, field in _fields(data):
        if not isinstance(field, memoryview):
            continue
        if number == 1:
            name = str(field, "utf-8")
        elif number == 2:
            operation = str(field, "utf-8")
        elif number == 5:
            entry = dict(_fields(field))
            if bytes(entry.get(1, b"")) == b"value":
                value = dict(_fields(entry.get(2, memoryview(b"")))).get(8)
    if operation != "Const" or value is None:
        return name, None
    return name, _tensor(value)


def _tensor(data: memoryview) -> NDArray[np.float32] | None:
    """A TensorProto; None for types that are no floating point."""
    fields: dict[int, list] = {}
    for number, field in _fields(data):
        fields.setdefault(number, []).append(field)
    kind = _TYPES.get(fields.get(1, [0])[-1])
    if kind is None:
        return None
    shape = tuple(_dimension(dim) for shape in fields.get(2, []) for number, dim in _fields(shape) if number == 2)
    if 4 in fields:
        content = fields[4][-1]
        if len(content) != prod(shape) * kind.itemsize:
            raise _Broken(f"{len(content)} bytes for shape {list(shape)}")
        return np.frombuffer(content, kind).reshape(shape).astype(np.float32)
    return _filled(fields, shape)


def _filled(fields: dict[int, list], shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Values listed one by one; the last is repeated to the end."""
    values = [np.frombuffer(chunk, dtype) for number, dtype in _VALUES.items() for chunk in fields.get(number, [])]
    values = np.concatenate(values) if values else np.zeros(1, np.float32)
    count = prod(shape)
    if not 0 < len(values) <= max(count, 1) or count > _MOST_FILLED:
        raise _Broken(f"{len(values)} values for shape {list(shape)}")
    out = np.full(count, values[-1], np.float32)
    out[:len(values)] = values[:count]
    return out.reshape(shape)


def _dimension(data: memoryview) -> int:
    size = dict(_fields(data)).get(1, 0)
    if not isinstance(size, int) or not 0 <= size < 1 << 31:
        raise _Broken("an axis of no usable length")
    return size


def _fields(data: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """(field number, value) pairs of one message: integers for varints, bytes for everything else."""
    at, end = 0, len(data)
    while at < end:
        key, at = _varint(data, at)
        number, wire = key >> 3, key & 7
        if wire == 0:
            value, at = _varint(data, at)
            yield number, value
            continue
        if wire == 2:
            length, at = _varint(data, at)
        elif wire in (1, 5):
            length = 8 if wire == 1 else 4
        else:
            raise _Broken(f"wire type {wire} at byte {at}")
        if length > end - at:
            raise _Broken("cut short")
        yield number, data[at:at + length]
        at += length


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(data):
            raise _Broken("cut short")
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
    raise _Broken("an endless number")
