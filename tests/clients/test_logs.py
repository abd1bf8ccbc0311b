"""Log lines: one per event, fields kept, in both forms."""

import contextvars
import json
import logging
import sys

import pytest

from limner.clients import logs


@pytest.fixture(autouse=True)
def restored():
    root, ours = logging.getLogger(), logging.getLogger("limner")
    before = root.handlers[:], root.level, ours.level
    yield
    root.handlers[:] = before[0]
    root.setLevel(before[1])
    ours.setLevel(before[2])


def record(error=None):
    return logging.getLogger("limner.x").makeRecord("limner.x", logging.INFO, __file__, 1, "session %s", ("opened",), error,
                                                    extra={"fields": {"session": "ab", "fps": 25}})


def test_plain_lines_carry_their_fields():
    assert logs.PlainLines().format(record()) == "I limner.x session opened session=ab fps=25"


def test_json_lines_carry_their_fields():
    assert json.loads(logs.JsonLines().format(record())) == {
        "level": "info", "logger": "limner.x", "message": "session opened", "session": "ab", "fps": 25}


def test_a_line_says_in_which_session_it_happened():
    plain = logging.getLogger("limner.x").makeRecord("limner.x", logging.INFO, __file__, 1, "drawn", (), None)
    inside = contextvars.copy_context()
    inside.run(logs.SESSION.set, "cd")
    assert inside.run(logs.PlainLines().format, plain) == "I limner.x drawn session=cd"
    assert inside.run(logs.PlainLines().format, record()) == "I limner.x session opened session=ab fps=25"
    assert logs.PlainLines().format(plain) == "I limner.x drawn"


def test_a_traceback_is_kept_for_the_log():
    try:
        raise ValueError("wrong")
    except ValueError:
        error = sys.exc_info()
    assert "ValueError: wrong" in logs.PlainLines().format(record(error))
    assert "ValueError: wrong" in json.loads(logs.JsonLines().format(record(error)))["traceback"]


def test_quiet_by_default_and_libraries_quieter(capsys):
    logs.configure()
    logging.getLogger("limner.x").info("unheard")
    logging.getLogger("aioice").warning("unheard")
    logging.getLogger("limner.x").warning("heard")
    assert capsys.readouterr().err == "W limner.x heard\n"
