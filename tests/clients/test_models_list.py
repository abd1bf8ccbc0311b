import json

import pytest
import torch

from limner.clients import models_list
from limner.engine.errors import UsageError
from limner.models.catalogue import PUBLISHED
from limner.models.syncnet import build_network
from tests.models import graphs


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("LIMNER_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    place = tmp_path / "models"
    place.mkdir()
    torch.save({"state_dict": {"net": build_network("dinet").state_dict()}}, place / "renamed.bin")
    graphs.write(place / "g.pb", graphs.deep_speech())
    (place / "junk.pth").write_bytes(b"junk")
    (place / "notes.txt").write_text("not looked at")
    return place


def test_files_are_known_by_their_keys(folder, capsys):
    assert models_list.run(as_json=True) == 0
    told = capsys.readouterr()
    rows = {row["name"]: row for row in json.loads(told.out)}
    assert set(rows) == {entry.name for entry in PUBLISHED}
    assert rows["dinet.sync"]["here"] == str(folder / "renamed.bin") and rows["deepspeech"]["here"] == str(folder / "g.pb")
    assert rows["dinet"]["here"] is None and "junk.pth" in told.err


def test_list_names_licence_and_place(folder, capsys):
    models_list.run()
    told = capsys.readouterr().out
    assert "CC BY-NC 4.0" in told and "not here: wav2lip_gan.pth" in told and "morphable" in told


def test_get(folder, tmp_path, monkeypatch, capsys):
    asked = []
    monkeypatch.setattr(models_list, "fetch", lambda url, sha256, path, progress: asked.append((url, sha256, path)))
    monkeypatch.setattr(models_list, "_held", lambda path: ["dinet"])
    assert models_list.get("https://example.org/a/w.pth?download=1", "f" * 64) == 0
    assert asked[0][2] == tmp_path / "cache" / "limner" / "weights" / "w.pth"
    assert "w.pth: dinet" in capsys.readouterr().out
    with pytest.raises(UsageError):
        models_list.get("https:///", "f" * 64)
