"""Who may import whom: one test per file, so that a violation names its place."""

import ast
import gc
import re
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parent.parent
ROOMS = ("engine", "streams", "models", "cuda", "clients")
ALLOWED = {
    "engine": {"engine"},
    "cuda": {"cuda"},
    "streams": {"streams", "engine"},
    "models": {"models", "engine", "cuda"},
    "clients": set(ROOMS),
}
STDLIB_AND_NUMPY = re.compile(r"^(numpy)(\.|$)")
FILES = sorted(p for room in ROOMS for p in (REPO / room).rglob("*.py"))


@pytest.fixture(scope="module", autouse=True)
def nothing_is_finalised_while_parsing():
    """CPython 3.11 loses count of its recursion when the collector finalises deep leftovers of other tests in `ast.parse`."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def imported(path: Path) -> set[str]:
    """Absolute names of every module a file imports, relative ones resolved."""
    package = ["limner", *path.relative_to(REPO).parent.parts]
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {a.name for a in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            stem = ".".join([*base, node.module] if node.module else base)
            found |= {stem} | {f"{stem}.{a.name}" for a in node.names}
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(REPO)))
def test_imports_only_what_its_room_may(path: Path):
    room = path.relative_to(REPO).parts[0]
    ours = {m.split(".")[1] for m in imported(path) if m.startswith("limner.") and m.split(".")[1] in ROOMS}
    assert ours <= ALLOWED[room], f"{room} may import {sorted(ALLOWED[room])}, found {sorted(ours)}"


@pytest.mark.parametrize("path", [p for p in FILES if p.relative_to(REPO).parts[0] == "engine"], ids=lambda p: p.name)
def test_engine_needs_only_the_standard_library_and_numpy(path: Path):
    import sys

    foreign = {m for m in imported(path) if not m.startswith("limner.") and m != "limner"}
    bad = {m for m in foreign if m.split(".")[0] not in sys.stdlib_module_names and not STDLIB_AND_NUMPY.match(m)}
    assert not bad, f"the engine imports {sorted(bad)}"


def test_no_room_is_a_flat_package():
    assert not [room for room in ROOMS if (REPO / room / "__init__.py").exists()]


@pytest.mark.parametrize("room", ROOMS)
def test_the_editable_install_reaches_the_room(room: str):
    link = REPO / ".dev" / "limner" / room
    if not link.parent.is_dir():
        pytest.skip("running against a built wheel, not a checkout")
    assert link.is_symlink() and not link.readlink().is_absolute() and link.resolve() == REPO / room


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(REPO)))
def test_only_the_clock_reads_time(path: Path):
    if path.name == "clock.py" or "bench" in path.name:
        pytest.skip("the clock itself, or a benchmark")
    names = {"time.time", "time.monotonic", "time.monotonic_ns", "time.perf_counter", "time.perf_counter_ns", "time.sleep"}
    used = {f"{n.value.id}.{n.attr}" for n in ast.walk(ast.parse(path.read_text()))
            if isinstance(n, ast.Attribute) and isinstance(n.value, ast.Name)}
    assert not used & names, f"take a clock as an argument instead of {sorted(used & names)}"
