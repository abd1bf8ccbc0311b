import numpy as np
import pytest
import torch

from limner.engine.clock import ticks_from_samples
from limner.engine.errors import UsageError, WeightsError
from limner.engine.testing import check_extractor
from limner.engine.types import AudioChunk
from limner.models.bridge import REACH, Bridge
from limner.models.deepspeech import load_graph
from limner.models.features.deepspeech import (
    BridgeStream,
    DeepSpeechStream,
    create,
    file_difference,
    file_inputs,
    file_logits,
)
from limner.models.options import FaceOptions
from tests.golden import cases as golden
from tests.models import graphs

RATE = 16_000


def voice(seconds: float, seed: int = 0) -> np.ndarray:
    """Noise with a syllable-like envelope, f32."""
    rng = np.random.default_rng(seed)
    t = np.arange(int(seconds * RATE)) / RATE
    return (rng.standard_normal(len(t)) * 0.1 * (1.05 + np.sin(2 * np.pi * 3 * t))).astype(np.float32)


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    return load_graph(graphs.write(tmp_path_factory.mktemp("graph") / "g.pb", graphs.deep_speech(4)))


@pytest.fixture(params=["graph", "bridge"])
def stream(request, network):
    torch.manual_seed(0)
    return DeepSpeechStream(network) if request.param == "graph" else BridgeStream(Bridge())


def run(stream, samples, sizes):
    at, found = 0, []
    while at < len(samples):
        size = int(next(sizes))
        part = samples[at:at + size]
        rows = stream.push(AudioChunk(part, RATE, at, 900 + ticks_from_samples(at) if at % 8 == 0 else 900, at))
        if rows is not None:
            found.append(rows)
        at += size
    return found


@golden.cases("dinet.e2e")
def test_published_inputs(path):
    case = golden.read(path)
    # the published feature package works in float64 like ours; what is left is its own rounding to float32
    assert np.abs(file_inputs(case.inputs["wav"] / 32768.0) - case.outputs["ds_input"]).max() < 1e-5


def test_streamed_equals_offline(stream):
    samples = voice(2.5)
    whole = run(stream, samples, iter([len(samples)]))
    stream.reset()
    rng = np.random.default_rng(1)
    parts = run(stream, samples, iter(lambda: rng.integers(1, 900), None))
    rows = np.concatenate([part.rows for part in parts])
    np.testing.assert_allclose(rows, whole[0].rows, atol=1e-5)           # float32 rounding of another blocking
    assert np.array_equal(np.concatenate([part.voiced for part in parts]), whole[0].voiced)
    starts = [part.pts for part in parts]
    assert starts[0] == 900 and starts == [900 + stream.step * n for n in np.cumsum([0, *map(lambda p: len(p.rows), parts[:-1])])]


def test_declared_lookahead_is_enough_and_bounded(stream):
    """A row appears once its look-ahead is heard; sound beyond it changes nothing."""
    samples = voice(2.0)
    row = 40
    first_block_row = row - row % getattr(stream, "block", 1)
    end = first_block_row * 320 + -(-stream.lookahead * RATE // 90_000)
    heard = run(stream, samples[:end], iter([end]))[0].rows
    assert len(heard) > first_block_row
    stream.reset()
    other = samples.copy()
    other[end:] = 0
    again = run(stream, other, iter([len(other)]))[0].rows
    np.testing.assert_allclose(again[:len(heard)], heard, atol=1e-5)


def test_contract(stream):
    check_extractor(stream)


def test_silence_is_not_voiced(stream):
    rows = run(stream, np.zeros(RATE, np.float32), iter([RATE]))[0]
    assert not rows.voiced.any() and np.isfinite(rows.rows).all()


def test_another_rate_is_refused(stream):
    with pytest.raises(UsageError, match="resample"):
        stream.push(AudioChunk(np.zeros(10, np.float32), 44_100, 0, 0, 0))


def test_known_file_gives_the_published_rows(network):
    samples = voice(2.0, 3)
    stream = DeepSpeechStream(network)
    stream.hear_file(samples)
    rows = np.concatenate([part.rows for part in run(stream, samples, iter(lambda: 160, None))])
    wanted = file_logits(network, samples)
    assert len(rows) > 70 and np.array_equal(rows, wanted[:len(rows)])


def test_live_is_near_the_file(network):
    """Not equal: running statistics, a bounded future. Random weights; the figure for a real graph is the user's to print."""
    samples = voice(6.0, 5)
    wanted = file_logits(network, samples)
    near = file_difference(DeepSpeechStream(network), wanted, samples)
    nearer = file_difference(DeepSpeechStream(network, future=25), wanted, samples)
    assert 0 < nearer < near < 0.5


def test_bridge_needs_exactly_its_reach():
    torch.manual_seed(1)
    bridge, mel = Bridge().eval(), torch.randn(1, 60, 80)
    with torch.inference_mode():
        rows = bridge(mel)[0]
        changed = mel.clone()
        changed[:, 2 * 10 + REACH + 1:] = 0
        assert torch.equal(bridge(changed)[0][:, :11], rows[:, :11])
        changed[:, 2 * 10 + REACH] = 0
        assert not torch.allclose(bridge(changed)[0][:, 10], rows[:, 10])
    assert BridgeStream(bridge).lookahead <= 80 * 90


def test_create_tells_files_apart(tmp_path, network):
    torch.save({"state_dict": {"net": Bridge().state_dict()}}, tmp_path / "b")
    assert isinstance(create(FaceOptions(graph=tmp_path / "b")), BridgeStream)
    assert isinstance(create(FaceOptions(graph=graphs.write(tmp_path / "g", graphs.deep_speech()))), DeepSpeechStream)
    with pytest.raises(WeightsError, match=r"output_graph\.pb.*morphable"):
        create(FaceOptions())
    with pytest.raises(WeightsError, match="check the path"):
        create(FaceOptions(graph=tmp_path / "none"))
    (tmp_path / "junk").write_bytes(b"hello there, no graph")
    with pytest.raises(WeightsError, match="frozen"):
        create(FaceOptions(graph=tmp_path / "junk"))
