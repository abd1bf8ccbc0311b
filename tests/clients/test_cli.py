"""The command line: every command parses, every mistake is one line and the right exit status."""

import json
import re

import pytest

from limner.clients import cli
from limner.engine.errors import InputError

COMMANDS = ("serve", "render", "run", "rig", "view", "list", "doctor", "bench", "models", "score", "interpolate", "restore", "train")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command, capsys):
    with pytest.raises(SystemExit) as end:
        cli.main([command, "--help"])
    assert end.value.code == 0 and f"limner {command}" in capsys.readouterr().out


def test_a_token_may_come_from_where_nobody_else_can_read_it(monkeypatch):
    monkeypatch.setenv("LIMNER_TOKEN", "of-the-environment")
    assert cli.build_parser().parse_args(["serve"]).token == "of-the-environment"
    assert cli.build_parser().parse_args(["serve", "--token", "of-the-line"]).token == "of-the-line"


@pytest.mark.parametrize("argv", [[], ["paint"], ["render"], ["serve", "--port", "many"], ["bench", "everything"]])
def test_wrong_usage_is_status_2(argv, capsys):
    with pytest.raises(SystemExit) as end:
        cli.main(argv)
    assert end.value.code == 2 and "error:" in capsys.readouterr().err


@pytest.mark.parametrize(("argv", "says"), [
    (["render", "--audio", "none.wav", "-o", "a.mp4", "--fps", "29"], "--fps 29"),
    (["render", "--audio", "none.wav", "-o", "a.avi"], "a film is an .mp4"),
    (["render", "--audio", "none.wav", "-o", "a.mp4"], "none.wav"),
    (["render", "--audio", "none.wav", "-o", "a.mp4", "--config", "none.toml"], "none.toml"),
    (["run", "--from", "none.wav", "--to", "a.gif"], "none.wav"),
    (["serve", "--port", "70000"], "--port 70000"),
    (["serve", "--recordings", "nowhere"], "--recordings nowhere"),
    (["serve", "--ice-server", "turn:host"], "--ice-server 'turn:host'"),
    (["run", "--from", "none.wav", "--to", "null", "--recordings", "nowhere"], "--recordings nowhere"),
    (["rig", "none.jpg", "-o", "a.avatar"], "none.jpg"),
    (["score", "none.mp4"], "syncnet"),
])
def test_bad_input_is_one_line_and_status_2(argv, says, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert cli.main(argv) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1 and says in lines[0] and lines[0].startswith(f"limner {argv[0]}: ")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("error", "status", "says"), [
    (InputError("found x, expected y, do z"), 2, "limner list: found x, expected y, do z"),
    (KeyboardInterrupt(), 130, "limner list: interrupted"),
    (ZeroDivisionError("division by zero"), 1, "limner list: internal error: ZeroDivisionError: division by zero"),
])
def test_whatever_goes_wrong_no_traceback_reaches_the_user(error, status, says, capsys, monkeypatch):
    def fail(*_):
        raise error

    monkeypatch.delenv("LIMNER_DEBUG", raising=False)
    monkeypatch.setattr("limner.clients.listing.show", fail)
    assert cli.main(["list"]) == status
    err = capsys.readouterr().err
    assert err.startswith(says) and len(err.strip().splitlines()) == 1


def test_list_names_what_is_here(capsys):
    assert cli.main(["list", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert "morphable" in found["--animator"] and "astronaut" in found["--avatar"] and 25 in found["--fps"]


def test_the_table_fits_a_terminal(capsys):
    assert cli.main(["list"]) == 0
    assert re.search(r"--avatar\s+astronaut", capsys.readouterr().out)
