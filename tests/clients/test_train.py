import numpy as np
import pytest

from limner.clients import train
from limner.engine.errors import InputError, UsageError, WeightsError
from limner.models.dinet import crop
from limner.models.features.deepspeech import BridgeStream, load_extractor
from limner.models.training import checkpoints, dinet_prepare
from limner.models.weights import identify
from tests.models import faces, graphs
from tests.models.features.test_deepspeech import voice
from tests.models.test_idleclip import write


def wav(path, samples):
    import wave
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        file.writeframes((samples * 32767).astype("<i2").tobytes())
    return path


@pytest.fixture
def graph(tmp_path):
    return graphs.write(tmp_path / "g.pb", graphs.deep_speech())


@pytest.fixture
def videos(tmp_path, monkeypatch):
    """One silent picture file whose landmarks and sound are known beforehand."""
    folder = tmp_path / "videos"
    folder.mkdir()
    frames, marks = faces.moving(60)
    write(folder / "a.mp4", frames)
    places = iter(range(0, 10_000, 60))
    monkeypatch.setattr(dinet_prepare, "follow", lambda piece, path: marks[:len(piece)] + 0 * next(places))
    monkeypatch.setattr(train, "sound", lambda path: voice(2.5))
    return folder


def test_dinet_goes_on_where_it_stopped(videos, graph, tmp_path, capfd):
    out = tmp_path / "out"
    common = {"graph": graph, "batch": 1, "device": "cpu"}
    assert train.run_dinet(videos, out, steps=1, **common) == 0
    state = checkpoints.restore(out / "frame64.pth", {}, {})
    assert state["steps"] == 1 and state["mouth"] == 64
    assert "dinet" in [entry.name for entry in identify(out / "frame64.pth")]
    assert len(list((out / "clips").iterdir())) == 1
    train.run_dinet(videos, out, steps=2, **common)
    assert checkpoints.restore(out / "frame64.pth", {}, {})["steps"] == 2
    told = capfd.readouterr().err
    assert "plain L1" in told and "step 2 frame64 epoch 0 L1" in told


def test_dinet_refusals(videos, graph, tmp_path):
    with pytest.raises(UsageError, match="frame64, frame128"):
        train.run_dinet(videos, tmp_path, graph=graph, stage="frame32")
    (tmp_path / "none").mkdir()
    with pytest.raises(InputError, match="no videos"):
        train.run_dinet(tmp_path / "none", tmp_path / "o", graph=graph)
    with pytest.raises(WeightsError, match="not the DINet lip-sync"):
        train.run_dinet(videos, tmp_path / "o", graph=graph, sync=_other(tmp_path))


def _other(folder):
    import torch
    torch.save({"conv.weight": torch.zeros(1)}, folder / "other.pth")
    return folder / "other.pth"


def test_unusable_videos_are_told_and_left_out(videos, graph, tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(dinet_prepare, "follow", lambda piece, path: faces.moving(60)[1][:len(piece)] + np.float32(500))
    with pytest.raises(InputError, match="none of 1 videos"):
        train.run_dinet(videos, tmp_path / "o", graph=graph, steps=1)
    assert "left out" in capfd.readouterr().err


def test_bridge_from_a_folder_of_speech(graph, tmp_path, capfd):
    folder = tmp_path / "speech"
    folder.mkdir()
    for seed in range(2):
        wav(folder / f"{seed}.wav", voice(3.5, seed))
    out = tmp_path / "bridge.pth"
    assert train.run_bridge(folder, out, graph=graph, steps=2, device="cpu") == 0
    assert isinstance(load_extractor(out), BridgeStream)
    assert "kept back" in capfd.readouterr().err


def test_prepared_pieces_join(videos, graph, monkeypatch):
    monkeypatch.setattr(dinet_prepare, "_PIECE", 27)
    _, marks = faces.moving(60)
    monkeypatch.setattr(dinet_prepare, "follow", lambda piece, path: marks[:len(piece)])
    footage = dinet_prepare.prepare(videos / "a.mp4", np.zeros((60, 29), np.float32), 64, 0)
    assert footage.frames.shape == (6, 9, *crop.picture_size(64), 3)
