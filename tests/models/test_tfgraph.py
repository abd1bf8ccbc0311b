import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from limner.engine.errors import TooLarge, WeightsError
from limner.models import tfgraph
from limner.models.tfgraph import read_constants
from tests.models import graphs


def test_round_trip(tmp_path):
    constants = graphs.deep_speech()
    found = read_constants(graphs.write(tmp_path / "g.pb", constants))
    assert set(found) == set(constants)
    assert all(np.array_equal(found[key], constants[key]) for key in constants)


def test_one_listed_value_fills_the_shape(tmp_path):
    node = graphs.constant("b", np.zeros((2, 3), np.float32), listed=True)
    short = graphs.field(5, np.float32([7]).tobytes())
    long = graphs.field(5, bytes(24))
    assert long in node
    tensor_shrunk = len(long) - len(short)
    path = tmp_path / "g.pb"
    shape = b"".join(graphs.field(2, graphs.field(1, n)) for n in (2, 3))
    tensor = graphs.field(1, 1) + graphs.field(2, shape) + short
    value = graphs.field(5, graphs.field(1, b"value") + graphs.field(2, graphs.field(8, tensor)))
    path.write_bytes(graphs.field(1, graphs.field(1, b"b") + graphs.field(2, b"Const") + value))
    assert tensor_shrunk == 20 and np.array_equal(read_constants(path)["b"], np.full((2, 3), 7, np.float32))


def test_every_cut_is_an_error_or_fewer_constants(tmp_path):
    constants = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.float32([1, 2])}
    data = graphs.write(tmp_path / "g.pb", constants).read_bytes()
    for end in range(1, len(data)):
        path = tmp_path / "cut.pb"
        path.write_bytes(data[:end])
        try:
            found = read_constants(path)
        except WeightsError as error:
            assert "\n" not in str(error)
        else:
            assert all(np.array_equal(found[key], constants[key]) for key in found) and len(found) <= 2


@settings(max_examples=200, deadline=None)
@given(data=st.binary(min_size=1, max_size=200))
def test_junk_never_escapes(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("junk") / "g.pb"
    path.write_bytes(data)
    try:
        assert isinstance(read_constants(path), dict)
    except WeightsError as error:
        assert "\n" not in str(error)


def test_greedy_shapes_are_refused_before_allocation(tmp_path):
    shape = b"".join(graphs.field(2, graphs.field(1, 1 << 30)) for _ in range(2))
    tensor = graphs.field(1, 1) + graphs.field(2, shape) + graphs.field(5, bytes(4))
    value = graphs.field(5, graphs.field(1, b"value") + graphs.field(2, graphs.field(8, tensor)))
    path = tmp_path / "g.pb"
    path.write_bytes(graphs.field(1, graphs.field(1, b"b") + graphs.field(2, b"Const") + value))
    with pytest.raises(WeightsError, match="1 values for shape"):
        read_constants(path)


def test_missing_empty_and_too_large(tmp_path, monkeypatch):
    with pytest.raises(WeightsError, match="No such file"):
        read_constants(tmp_path / "none.pb")
    (tmp_path / "empty.pb").write_bytes(b"")
    with pytest.raises(WeightsError, match="empty"):
        read_constants(tmp_path / "empty.pb")
    monkeypatch.setattr(tfgraph, "MOST_BYTES", 10)
    with pytest.raises(TooLarge):
        read_constants(graphs.write(tmp_path / "g.pb", graphs.deep_speech()))
