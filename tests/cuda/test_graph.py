"""Checks and errors are the same with and without recording; on a GPU, what is replayed equals what is called."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import nn

from limner.cuda import graph as graphs
from limner.cuda.graph import (
    SIZES,
    BatchTooLarge,
    ConstantChanged,
    Graphed,
    GraphError,
    ShapeChanged,
    TypeChanged,
    eager,
    fitting,
    is_eager,
)
from limner.cuda.lane import open_lane

gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device is usable here")
DEVICES = ["cpu", pytest.param("cuda:0", marks=[pytest.mark.gpu, gpu])]


class Layer:
    """A step with a weight and a number, and a count of how often it was really called."""

    def __init__(self, device):
        torch.manual_seed(0)
        self.weight, self.gain, self.calls = torch.randn(5, 4, device=device), 2.0, 0

    def __call__(self, x, y):
        self.calls += 1
        return torch.relu(x @ self.weight) * self.gain + y, x.sum(1)

    def constants(self):
        return {"weight": self.weight, "gain": self.gain}


@pytest.fixture(params=DEVICES)
def layer(request):
    return Layer(request.param)


def inputs(layer, count, seed=0):
    torch.manual_seed(seed)
    device = layer.weight.device
    return torch.randn(count, 5, device=device), torch.randn(count, 4, device=device)


def test_equals_the_step_for_every_batch_size(layer):
    graphed = Graphed(layer, constants=layer.constants)
    for count in (1, 3, 8, 5, 32, 1, 3):
        given = inputs(layer, count, count)
        for mine, want in zip(graphed(*given), layer(*given), strict=True):
            # cuBLAS may choose another algorithm for the filled-up batch; f32 sums of five products differ by rounding
            torch.testing.assert_close(mine, want, atol=1e-5, rtol=0)


def test_one_tensor_may_be_the_answer(layer):
    graphed = Graphed(lambda x: x * 3)
    x = inputs(layer, 3)[0]
    assert torch.equal(graphed(x), x * 3)


def test_other_inputs_are_refused_by_name(layer):
    graphed = Graphed(layer, constants=layer.constants)
    x, y = inputs(layer, 4)
    graphed(x, y)
    with pytest.raises(ShapeChanged, match=r"input 1 measures \(3,\).*\(4,\)"):
        graphed(x, y[:, :3])
    with pytest.raises(TypeChanged, match=r"input 0 is torch.float64.*torch.float32"):
        graphed(x.double(), y)
    with pytest.raises(ShapeChanged, match="1 inputs; recorded with 2"):
        graphed(x)
    with pytest.raises(ShapeChanged, match="4, 3 items"):
        graphed(x, y[:3])
    with pytest.raises(ShapeChanged, match="at least one"):
        graphed(x[:0], y[:0])
    with pytest.raises(BatchTooLarge, match="33 items in one call; at most 32"):
        graphed(*inputs(layer, 33))
    torch.testing.assert_close(graphed(x, y)[0], layer(x, y)[0], atol=1e-5, rtol=0)      # and it still works


def test_a_constant_that_moved_is_refused_until_forgotten(layer):
    graphed = Graphed(layer, constants=layer.constants)
    x, y = inputs(layer, 2)
    graphed(x, y)
    layer.weight.mul_(2)                         # content may change
    torch.testing.assert_close(graphed(x, y)[0], layer(x, y)[0], atol=1e-5, rtol=0)
    layer.weight = layer.weight.clone()
    with pytest.raises(ConstantChanged, match="'weight'"):
        graphed(x, y)
    graphed.forget()
    layer.gain = 3.0
    torch.testing.assert_close(graphed(x, y)[0], layer(x, y)[0], atol=1e-5, rtol=0)
    layer.gain = 4.0
    with pytest.raises(ConstantChanged, match="'gain'"):
        graphed(x, y)


def test_constants_may_neither_come_nor_go():
    values = {"a": 1}
    graphed = Graphed(lambda x: x, constants=lambda: values)
    graphed(torch.zeros(1))
    values["b"] = 2
    with pytest.raises(ConstantChanged, match="'b' came"):
        graphed(torch.zeros(1))
    del values["b"], values["a"]
    with pytest.raises(ConstantChanged, match="'a' went"):
        graphed(torch.zeros(1))


def test_every_kind_is_a_graph_error():
    assert all(issubclass(kind, GraphError) for kind in (ShapeChanged, TypeChanged, BatchTooLarge, ConstantChanged))


@pytest.mark.parametrize(("count", "size"), [(1, 1), (2, 2), (3, 4), (9, 16), (32, 32)])
def test_sizes(count, size):
    assert fitting(count, SIZES) == size


def test_the_environment_and_the_context_manager_switch_recording_off(monkeypatch):
    monkeypatch.delenv(graphs.EAGER, raising=False)
    assert not is_eager()
    for value, off in (("1", True), ("0", False), ("", False)):
        monkeypatch.setenv(graphs.EAGER, value)
        assert is_eager() is off
    with eager():
        with eager():
            assert is_eager()
        assert is_eager()
    assert not is_eager()
    with pytest.raises(KeyError), eager():
        raise KeyError
    assert not is_eager()


def test_eager_calls_the_step_each_time(layer):
    graphed = Graphed(layer, constants=layer.constants)
    with eager():
        for turn in range(1, 4):
            graphed(*inputs(layer, 3))
            assert layer.calls == turn
    assert not graphed.recorded


def test_a_network_of_convolutions(layer):
    """Shapes as a decoder has them: channels, stride, batch norm."""
    device = layer.weight.device
    net = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 3, 3, 1, 1)).eval().to(device)
    graphed = Graphed(torch.inference_mode()(net.__call__), constants=lambda: net.state_dict(keep_vars=True), sizes=(1, 4))
    for count in (1, 3, 4, 2):
        x = torch.randn(count, 3, 16, 12, device=device)
        with torch.inference_mode():
            # TF32 is off by default for matmul, on for convolutions: ten bits of mantissa on a GPU, rounding on a CPU
            torch.testing.assert_close(graphed(x), net(x), atol=1e-6 if device.type == "cpu" else 5e-3, rtol=0)


class Told:
    """A recording that runs the step where the graph would, into the same answers."""

    def __init__(self, step, inputs):
        self.step, self.inputs, self.outputs, self.graph = step, inputs, step(*inputs), self

    def replay(self):
        for mine, new in zip(self.outputs, self.step(*self.inputs), strict=True):
            mine.copy_(new)


class OnPaper(Graphed):
    """Takes the CPU for a device that records, and notes what is recorded."""

    def __init__(self, *args, **more):
        super().__init__(*args, **more)
        self.order = []

    @staticmethod
    def _records(inputs):
        return not is_eager()

    def _record(self, inputs, size):
        self.order.append(size)
        return Told(self._step, [each.new_zeros(size, *each.shape[1:]) for each in inputs])


def test_what_is_prepared_is_not_recorded_when_it_is_due():
    layer = Layer("cpu")
    graphed = OnPaper(layer, constants=layer.constants)
    graphed.prepare(*inputs(layer, 2), sizes=(4, 1, 3))
    assert graphed.order == [1, 4]                       # three are filled up to four
    for count in (1, 3, 4, 1):
        given = inputs(layer, count, count)
        torch.testing.assert_close(graphed(*given)[0], layer(*given)[0], atol=1e-5, rtol=0)
    assert graphed.order == [1, 4]
    graphed.prepare(*inputs(layer, 1), sizes=(1, 2))
    assert graphed.order == [1, 4, 2]
    with eager():
        graphed.prepare(*inputs(layer, 1), sizes=(8,))
    assert graphed.order == [1, 4, 2]


def test_preparing_checks_what_a_call_checks(layer):
    graphed = Graphed(layer, sizes=(1, 2), constants=layer.constants)
    graphed.prepare(*inputs(layer, 1), sizes=(1, 2))
    assert bool(graphed.recorded) is (layer.weight.device.type == "cuda")
    x, y = inputs(layer, 1)
    with pytest.raises(BatchTooLarge, match="3 items in one call; at most 2"):
        graphed.prepare(x, y, sizes=(3,))
    with pytest.raises(ShapeChanged, match="input 1"):
        graphed.prepare(x, y[:, :2])
    layer.gain = 5.0
    with pytest.raises(ConstantChanged, match="'gain'"):
        graphed.prepare(x, y)


def test_a_pool_ends_with_the_last_of_its_recordings():
    """PyTorch's own does: its number may not be used again."""
    class Torch:
        class cuda:
            Stream = staticmethod(lambda device: device)
            graph_pool_handle = staticmethod(object)

    class Graph:
        pass

    pool, graphs_ = graphs.Pool(), [Graph(), Graph()]
    first, side = pool.on(Torch, "cuda:0")
    for each in graphs_:
        pool.add(each)
    assert pool.on(Torch, "cuda:0") == (first, side)
    del graphs_[0], each
    assert pool.on(Torch, "cuda:0")[0] is first
    graphs_.clear()
    assert pool.on(Torch, "cuda:0")[0] is not first


@pytest.mark.gpu
@gpu
def test_steps_of_one_pool_take_turns():
    layer, pool = Layer("cuda:0"), graphs.Pool()
    one, two = Graphed(layer, pool=pool, constants=layer.constants), Graphed(lambda x: (x * 2).relu() + x, pool=pool)
    for count in (1, 4, 2, 1):
        x, y = inputs(layer, count, count)
        torch.testing.assert_close(one(x, y)[0].clone(), layer(x, y)[0], atol=1e-5, rtol=0)
        torch.testing.assert_close(two(x).clone(), (x * 2).relu() + x)
    one.forget()
    two.forget()
    torch.testing.assert_close(two(x), (x * 2).relu() + x)       # in a pool of its own making again


@pytest.mark.gpu
@gpu
def test_recorded_once_per_size_and_replayed_without_allocating():
    layer = Layer("cuda:0")
    graphed = Graphed(layer, constants=layer.constants)
    for count in (1, 2, 3, 4, 4, 3):
        graphed(*inputs(layer, count))
    assert sorted(graphed.recorded) == [1, 2, 4] and layer.calls == 3 * (graphs.WARM_UP + 1)
    given = inputs(layer, 4)
    graphed(*given)
    before = torch.cuda.memory_allocated()
    for _ in range(50):
        graphed(*given)
    assert torch.cuda.memory_allocated() == before


@pytest.mark.gpu
@gpu
def test_a_recording_that_fails_leaves_the_stream_as_it_was():
    def step(x):
        if torch.cuda.is_current_stream_capturing():
            raise RuntimeError("not while recording")
        return x * 2

    before, graphed, x = torch.cuda.current_stream(), Graphed(step), torch.ones(2, 3, device="cuda:0")
    with pytest.raises(RuntimeError, match="not while recording"):
        graphed(x)
    assert torch.cuda.current_stream() == before and not graphed.recorded
    with eager():
        assert torch.equal(graphed(x), x * 2)


@pytest.mark.gpu
@gpu
def test_lanes_record_at_the_same_time():
    """Each on its own thread and stream, one after another where PyTorch asks for that."""
    layers = [Layer("cuda:0") for _ in range(4)]         # made here: random numbers cannot be drawn while others record
    given = inputs(layers[0], 4)

    def record(number):
        layer = layers[number]
        graphed = Graphed(layer, constants=layer.constants)
        for count in (1, 2, 4):
            mine, want = graphed(*(x[:count] for x in given)), layer(*(x[:count] for x in given))
            torch.testing.assert_close(mine[0], want[0], atol=1e-5, rtol=0)
        return number

    lanes = [open_lane("cuda:0") for _ in range(4)]
    with ThreadPoolExecutor(4) as threads:
        done = list(threads.map(lambda k: lanes[k].call(lambda: record(k)), range(4)))
    assert done == [0, 1, 2, 3]
