import numpy as np
import pytest
import torch

from limner.engine.errors import InputError
from limner.models.deepspeech import load_graph
from limner.models.features.deepspeech import BridgeStream, file_difference, file_logits, load_extractor
from limner.models.training.bridge_train import BridgeTrainer, lesson
from tests.models import graphs
from tests.models.features.test_deepspeech import voice


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    return load_graph(graphs.write(tmp_path_factory.mktemp("graph") / "g.pb", graphs.deep_speech(6)))


@pytest.fixture(scope="module")
def lessons(network):
    return [lesson(network, voice(3.6, seed)) for seed in range(3)]


def test_lesson_rows_belong_together(network):
    samples = voice(3.6, 0)
    one = lesson(network, samples)
    assert np.array_equal(one.logits, file_logits(network, samples)[:len(one.logits)])
    assert len(one.mel) >= 2 * (len(one.logits) - 1) + 1


def test_resumed_equals_uninterrupted_bit_for_bit(lessons, tmp_path):
    straight = BridgeTrainer(lessons, steps=10, batch=2)
    losses = [straight.step() for _ in range(4)]
    first = BridgeTrainer(lessons, steps=10, batch=2)
    first.step(), first.step()
    first.save(tmp_path / "b.pth")
    second = BridgeTrainer(lessons, steps=10, batch=2, seed=0)
    second.resume(tmp_path / "b.pth")
    assert [second.step(), second.step()] == losses[2:]
    assert all(torch.equal(a, b) for a, b in zip(straight.network.state_dict().values(), second.network.state_dict().values(), strict=True))


def test_distilled_bridge_stands_in_for_the_graph(network, lessons, tmp_path):
    """End to end with random weights in the graph's place: train, save, load as the live extractor, compare with the file."""
    trainer = BridgeTrainer(lessons, steps=60, batch=4)
    before = trainer.error()
    for _ in range(60):
        trainer.step()
    assert trainer.error() < 0.75 * before
    trainer.save(tmp_path / "b.pth")
    stream = load_extractor(tmp_path / "b.pth")
    assert isinstance(stream, BridgeStream)
    samples = voice(4.0, 1)
    untrained = BridgeStream(type(stream.network)())
    wanted = file_logits(network, samples)
    assert file_difference(stream, wanted, samples) < 0.8 * file_difference(untrained, wanted, samples)


def test_too_little_speech(lessons):
    with pytest.raises(InputError, match="give more speech"):
        BridgeTrainer(lessons[:1], steps=5)
