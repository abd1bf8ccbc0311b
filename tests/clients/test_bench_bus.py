import json
import math

from limner.clients import bench_bus


def test_report(tmp_path, monkeypatch, capsys):
    """Real processes; few pictures."""
    monkeypatch.setattr(bench_bus, "FORMS", ("i420", "rgb&shm=1"))
    measure = bench_bus.measure
    monkeypatch.setattr(bench_bus, "measure", lambda form, count: measure(form, 10))
    assert bench_bus.run(tmp_path / "bus.json", quick=True) == 0
    report = json.loads((tmp_path / "bus.json").read_text())
    assert report["command"] == "limner bench bus --quick" and list(report["forms"]) == ["i420", "rgb_shm"]
    for figures in report["forms"].values():
        assert all(math.isfinite(value) and value >= 0 for value in figures.values())
        assert 0 < figures["received_share"] <= 1 and figures["delay_ms_p50"] <= figures["delay_ms_p95"]
    assert "of 50" in capsys.readouterr().err
