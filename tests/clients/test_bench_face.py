import json
from pathlib import Path

import numpy as np
import pytest

from limner.clients import bench_face
from limner.models import modelfiles


def test_without_material_it_measures_rest_and_speed(tmp_path):
    result = bench_face.run(tmp_path / "out.json", quick=True)
    assert set(result) == {"about", "stillness", "streaming", "speed"}
    assert result["about"]["command"] == "limner bench face --quick" and result["about"]["cores"] >= 1
    assert set(result["stillness"]) == {"silence", "breath", "keyboard", "office"}
    assert all(rest["sd_share"] < 0.02 for rest in result["stillness"].values())
    assert result["stillness"]["silence"] == {"sd_share": 0.0, "voiced": 0.0}
    assert result["streaming"]["streamed_minus_whole_max"] < 1e-5
    assert result["streaming"]["lookahead_ms"] <= 60
    assert json.loads((tmp_path / "out.json").read_text()) == result


def test_every_figure_is_a_number(tmp_path):
    def walk(value):
        if isinstance(value, dict):
            return all(walk(v) for v in value.values())
        if isinstance(value, list):
            return all(walk(v) for v in value)
        return isinstance(value, int | float) and np.isfinite(value)
    figures = bench_face.run(None, quick=True)
    assert figures.pop("about") and walk(figures)


def test_halves_share_nothing_and_lose_nothing():
    halves = bench_face.halves(list("abcde"))
    assert halves == {"tuning": list("ace"), "report": list("bd")}


def test_with_material_the_driver_stands_beside_its_baselines(shared: Path):
    pytest.importorskip("ai_edge_litert", reason="ai-edge-litert is not installed")
    if any(modelfiles.find(name) is None for name in modelfiles.FILES):
        pytest.skip("the landmark networks are not here: run 'python -m limner.models.modelfiles' once")
    result = bench_face.run(None, quick=True, material=shared / "data")
    speech, mouth = result["speech"]["report"], result["mouth"]["report"]
    assert set(speech["visemes"]) == {"driver", "shuffled", "commonest"}
    assert set(speech["closure"]) == set(mouth["rows"]) == {"driver", "shuffled", "energy", "formant"}
    assert speech["visemes"]["driver"]["all"] > 2 * max(speech["visemes"][n]["all"] for n in ("shuffled", "commonest"))
    assert mouth["rows"]["driver"]["opening"]["r"] > mouth["rows"]["shuffled"]["opening"]["r"] + 0.2
    assert min(mouth["judge"][part]["r"] for part in ("opening", "width")) > 0.9      # a mirror changes no lips
