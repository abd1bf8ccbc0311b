import json

import pytest

from limner.clients import doctor
from limner.clients.cli import main
from limner.clients.doctor import Finding, examine, numbers, run
from limner.engine.errors import UsageError


def healthy():
    return [Finding("one thing", "ok", "here", value=3), Finding("extra", "off", "not here", "pip install 'limner[extra]'")]


def broken_check():
    raise RuntimeError("boom\nwith a second line")


def test_a_check_that_fails_is_a_finding_and_the_others_still_run():
    found = examine([broken_check, healthy])
    assert [(f.name, f.state) for f in found] == [("broken check", "bad"), ("one thing", "ok"), ("extra", "off")]
    assert found[0].found == "RuntimeError: boom"


def test_the_file_holds_numbers_only(tmp_path, capsys):
    assert run(tmp_path / "d.json", [healthy, broken_check]) == 0
    assert json.loads((tmp_path / "d.json").read_text()) == {
        "one_thing": {"state": 1, "value": 3}, "extra": {"state": 0, "value": 0.0}, "broken_check": {"state": -1, "value": 0.0}}
    shown = capsys.readouterr().out
    assert "pip install 'limner[extra]'" in shown            # square brackets are not markup


def test_from_the_command_line(tmp_path, capsys):
    assert main(["doctor", "--json", str(tmp_path / "d.json")]) == 0
    assert json.loads((tmp_path / "d.json").read_text())["encoders"]["state"] == 1
    assert "encoders" in capsys.readouterr().out


def test_stdout_takes_json_alone(capsys):
    from pathlib import Path

    assert run(Path("-"), [healthy]) == 0
    assert json.loads(capsys.readouterr().out) == numbers(examine([healthy]))


def test_a_file_that_cannot_be_written(tmp_path):
    with pytest.raises(UsageError, match="cannot be written"):
        run(tmp_path / "no" / "d.json", [healthy])


def test_this_machine(capsys):
    """Everything limner itself needs is here, or this suite could not run."""
    assert doctor.run() == 0
    from limner.clients.checks import CHECKS

    found = {f.name: f for f in examine(CHECKS)}
    assert {found[name].state for name in ("python", "packages", "encoders", "avatars")} == {"ok"}
    for f in found.values():
        assert f.state == "ok" or f.remedy, f"{f.name} says nothing to do"
        assert "\n" not in f.found + f.remedy
