import json

import numpy as np
import pytest
import torch

from limner.clients import bench_models
from limner.clients.bench_subject import Subject
from limner.engine.errors import UsageError


def product(width):
    a, b = torch.ones(8, width), torch.ones(width, 8)
    return (a @ b).numpy()


def test_counts_and_compares():
    subject = Subject("8x4", lambda: product(4), lambda: product(2) * 2 + np.float32(0.01), limit=0.1)
    result = bench_models.measure(subject, 2)
    assert result["max_difference"] == pytest.approx(0.01, abs=1e-3) and result["within_limit"]
    assert set(result["live"]) == {"p50_ms", "p95_ms", "min_ms", "gflop"} and result["ratio"] > 0
    assert bench_models.gflop(lambda: product(500_000)) == pytest.approx(2 * 64 * 500_000 / 1e9, abs=0.005)


def test_a_wrong_live_path_shows():
    assert not bench_models.measure(Subject("8x4", lambda: product(4), lambda: product(5)), 1)["within_limit"]


def test_report(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(bench_models, "subjects", lambda: {"one": lambda: Subject("x", lambda: product(3)), "two": lambda: 1 / 0})
    path = tmp_path / "r.json"
    bench_models.run(path, quick=True, only="one")
    report = json.loads(path.read_text())
    assert list(report["models"]) == ["one"] and report["threads"] >= 1 and report["cpu"] and report["command"] == "limner bench models"
    assert "live" not in report["models"]["one"] and "one" in capsys.readouterr().err
    with pytest.raises(UsageError, match="one, two"):
        bench_models.run(only="three")


def test_every_subject_live_path_is_within_its_limit():
    small = {name: make for name, make in bench_models.subjects().items() if name in ("dinet64", "wav2lip")}
    assert len(small) == 2
    for make in small.values():
        subject = make()
        assert np.abs(subject.plain() - subject.live()).max() <= 1e-4        # these weights amplify float32 rounding tenfold
