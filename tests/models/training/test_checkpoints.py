import pytest
import torch

from limner.engine.errors import OutputError, WeightsError
from limner.models.training import checkpoints


def parts():
    module = torch.nn.Linear(3, 2)
    return module, torch.optim.Adam(module.parameters())


def test_round_trip_with_optimiser_state(tmp_path):
    module, optimiser = parts()
    module(torch.ones(1, 3)).sum().backward()
    optimiser.step()
    path = tmp_path / "deep" / "state.pth"
    checkpoints.save(path, {"steps": 7, "state_dict": {"net": module.state_dict()}, "optimizer": {"net": optimiser.state_dict()}})
    other, second = parts()
    assert checkpoints.restore(path, {"net": other}, {"net": second}) == {"steps": 7}
    assert torch.equal(other.weight, module.weight)
    assert torch.equal(second.state_dict()["state"][0]["exp_avg"], optimiser.state_dict()["state"][0]["exp_avg"])
    assert [p.name for p in path.parent.iterdir()] == ["state.pth"]


def test_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "state.pth"
    checkpoints.save(path, {"steps": 1})

    def full(content, partial):
        partial.write_bytes(b"half")
        raise OSError(28, "No space left on device")
    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(OutputError, match="No space left"):
        checkpoints.save(path, {"steps": 2})
    monkeypatch.undo()
    assert checkpoints.restore(path, {}, {}) == {"steps": 1} and len(list(tmp_path.iterdir())) == 1


def test_state_of_another_training(tmp_path):
    checkpoints.save(tmp_path / "s", {"state_dict": {"other": {}}, "optimizer": {}})
    with pytest.raises(WeightsError, match="not a state of this training"):
        checkpoints.restore(tmp_path / "s", {"net": parts()[0]}, {})
