"""The soak's own logic, and a moment of it at small sizes on the CPU. What a GPU's memory does is shown by running it there."""

import json

import pytest
import torch

from limner.clients import bench_gpu_soak
from limner.clients.bench_gpu_soak import Memory, grown
from limner.clients.cli import main
from limner.cuda.lane import Lane
from limner.engine.errors import UsageError


def test_what_grows_is_named():
    memory = {name: {"mb_per_minute": rate} for name, rate in (("rss", 1.9), ("device_tensors", 1.1), ("device", -5.0))}
    assert grown(memory) == ["device_tensors"]


def test_slopes_are_of_what_comes_after_the_settling(monkeypatch):
    with Lane() as lane:
        memory = Memory(lane)
        for second in range(240):
            minute = second / 60
            monkeypatch.setattr(bench_gpu_soak, "resident", lambda: 100 if minute < 1 else 300 + 3 * minute)      # noqa: B023
            memory.look(minute)
    found = memory.figures()
    assert set(found) == {"rss", "device_tensors", "device_cache", "device"}
    assert found["rss"]["mb_per_minute"] == pytest.approx(3) and (found["rss"]["mb_first"], found["rss"]["mb_max"]) == (100, found["rss"]["mb_last"])
    assert len(found["rss"]["mb_every_10_s"]) == 24 and grown(found) == ["rss"]


def test_a_machine_without_a_gpu_and_no_time_are_told_in_one_line(monkeypatch, capsys):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    assert main(["bench", "gpu", "--minutes", "1"]) == 2
    assert "no CUDA GPU is usable here" in capsys.readouterr().err
    with pytest.raises(UsageError, match="more than 0"):
        bench_gpu_soak.run(None, 0, "cpu")


@pytest.mark.slow
def test_a_moment_of_it(tmp_path, monkeypatch, capsys):
    """Visitors come, are drawn together and go. Too short to say anything of memory."""
    monkeypatch.setattr(bench_gpu_soak, "VISITORS", 3)
    monkeypatch.setattr(bench_gpu_soak, "STAY", 3)
    monkeypatch.setattr(bench_gpu_soak, "TURNS", 1)
    bench_gpu_soak.run(tmp_path / "soak.json", 0.15, "cpu")
    report = json.loads((tmp_path / "soak.json").read_text())
    assert json.loads(capsys.readouterr().out) == report and report["kind"] == "gpu-soak" and report["tiny"] == 1
    assert report["visitors"] > 3 and report["finished"] == report["pictures"] > 10 and report["calls"] <= report["pictures"]
    assert report["memory"]["rss"]["mb_max"] > 100


@pytest.mark.slow
def test_a_place_that_fails_ends_the_soak(monkeypatch):
    def fails(*_):
        raise RuntimeError("the portrait is gone")

    monkeypatch.setattr(bench_gpu_soak.DINetAnimator, "sit", fails)
    with pytest.raises(RuntimeError, match="portrait is gone"):
        bench_gpu_soak.run(None, 1, "cpu")
