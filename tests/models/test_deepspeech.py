import numpy as np
import pytest
import torch

from limner.engine.errors import WeightsError
from limner.models.deepspeech import load_graph
from tests.models import graphs


def twin(constants: dict, x: np.ndarray) -> np.ndarray:
    """The graph as TensorFlow runs it, in float64: BasicLSTMCell's gates are i, j, f, o and the forget gate gets +1."""
    c = {key: value.astype(np.float64) for key, value in constants.items()}

    def sigmoid(v):
        return 1 / (1 + np.exp(-v))

    def lstm(rows, side):
        place = f"bidirectional_rnn/{side}/basic_lstm_cell"
        kernel, bias = c[f"{place}/kernel"], c[f"{place}/bias"]
        h = s = np.zeros(kernel.shape[1] // 4)
        out = []
        for row in rows:
            i, j, f, o = np.split(np.concatenate([row, h]) @ kernel + bias, 4)
            s = s * sigmoid(f + 1) + sigmoid(i) * np.tanh(j)
            h = np.tanh(s) * sigmoid(o)
            out.append(h)
        return np.array(out)
    for n in "123":
        x = np.clip(x @ c[f"h{n}"] + c[f"b{n}"], 0, 20)
    both = np.concatenate([lstm(x, "fw"), lstm(x[::-1], "bw")[::-1]], 1)
    return np.clip(both @ c["h5"] + c["b5"], 0, 20) @ c["h6"] + c["b6"]


def test_equals_the_graph(tmp_path):
    constants = graphs.deep_speech(1)
    network = load_graph(graphs.write(tmp_path / "g.pb", constants))
    x = np.random.default_rng(2).standard_normal((17, 494)) * 2
    got = network(torch.from_numpy(x).float()).numpy()
    assert np.abs(got - twin(constants, x)).max() < 2e-5                 # float32 against float64 over 17 steps


def test_span_carries_the_forward_state(tmp_path):
    network = load_graph(graphs.write(tmp_path / "g.pb", graphs.deep_speech(3)))
    x = torch.randn(12, 494, generator=torch.Generator().manual_seed(0))
    first, state = network.span(x, None, keep=5)
    torch.testing.assert_close(first, network(x)[:5])                    # the whole future was given
    second, _ = network.span(x[5:], state)
    torch.testing.assert_close(second, network(x)[5:])


@pytest.mark.parametrize("gone", ["h3", "b6", "bidirectional_rnn/bw/basic_lstm_cell/kernel"])
def test_another_graph_is_refused(tmp_path, gone):
    constants = graphs.deep_speech()
    del constants[gone]
    with pytest.raises(WeightsError, match="expected output_graph"):
        load_graph(graphs.write(tmp_path / "g.pb", constants))


def test_layers_that_do_not_fit(tmp_path):
    constants = graphs.deep_speech()
    constants["h2"] = constants["h2"][:-1]
    with pytest.raises(WeightsError, match="do not fit"):
        load_graph(graphs.write(tmp_path / "g.pb", constants))
