import re

import pytest

from limner.clients import recordings
from limner.engine.errors import UsageError


def test_a_folder_that_can_be_used(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "kept").mkdir()
    assert recordings.checked(None) is None
    assert recordings.checked((tmp_path / "kept").relative_to(tmp_path)) == tmp_path / "kept"


def test_what_is_no_folder(tmp_path):
    (tmp_path / "file").touch()
    for name in ("file", "missing"):
        with pytest.raises(UsageError, match=rf"--recordings \S*{name}: expected a folder"):
            recordings.checked(tmp_path / name)


def test_names_are_made_here_and_never_the_same(tmp_path):
    made = [recordings.new(tmp_path, size=(64, 64), fps=25) for _ in range(50)]
    assert len({name for name, _ in made}) == 50
    assert all(re.fullmatch(r"limner-\d{8}-\d{6}-[0-9a-f]{8}\.mp4", name) and sink.path == tmp_path / name for name, sink in made)
    assert not list(tmp_path.iterdir())
