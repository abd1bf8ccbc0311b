"""`limner doctor`: what works on this machine, and one line for each thing that does not."""

import json
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from limner.engine.errors import UsageError

State = Literal["ok", "off", "bad"]
NUMBER = {"ok": 1, "off": 0, "bad": -1}
MARK = {"ok": "[green]works", "off": "[yellow]off", "bad": "[red]broken"}


@dataclass(frozen=True, slots=True)
class Finding:
    """One line. `off`: an optional thing is absent and the rest works; `bad`: something limner needs is not right."""

    name: str
    state: State
    found: str
    remedy: str = ""
    value: float = 0.0                        # the number behind it (version, count, free GB), for --json


Check = Callable[[], Finding | Sequence[Finding]]


def examine(checks: Sequence[Check]) -> list[Finding]:
    """Every check's findings. A check that fails itself is a finding too: the doctor never stops half way."""
    findings: list[Finding] = []
    for check in checks:
        try:
            result = check()
        except Exception as error:
            name = check.__name__.replace("_", " ")
            result = Finding(name, "bad", f"{type(error).__name__}: {error}".splitlines()[0], "reinstall: pip install -U limner")
        findings += [result] if isinstance(result, Finding) else result
    return findings


def table(findings: Sequence[Finding]) -> Table:
    """The findings for a terminal."""
    grid = Table(box=None, pad_edge=False)
    for title in ("", "", "found", "what to do"):
        grid.add_column(title, overflow="fold")
    for f in findings:
        grid.add_row(f"[bold]{f.name}", MARK[f.state], escape(f.found), escape(f.remedy))
    return grid


def numbers(findings: Sequence[Finding]) -> dict[str, dict[str, float]]:
    """The findings for a program: state 1 works, 0 off, -1 broken, and the value."""
    return {f.name.replace(" ", "_"): {"state": NUMBER[f.state], "value": f.value} for f in findings}


def run(json_file: Path | None = None, checks: Sequence[Check] | None = None) -> int:
    """Examine, print the table, write numbers to `json_file` ('-' is stdout, without the table). Always returns 0.

    Raises UsageError when `json_file` cannot be written.
    """
    if checks is None:
        from .checks import CHECKS as checks
    findings = examine(checks)
    text = json.dumps(numbers(findings), indent=2)
    if str(json_file) == "-":
        print(text)
        return 0
    width = None if sys.stdout.isatty() else max(100, shutil.get_terminal_size().columns)
    Console(width=width, highlight=False).print(table(findings))
    if json_file:
        try:
            json_file.write_text(text + "\n", "utf-8")
        except OSError as error:
            raise UsageError(f"--json {json_file}: cannot be written ({error.strerror})") from error
    return 0
