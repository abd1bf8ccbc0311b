"""`limner models`: the published networks, whose they are, where to get them, and which are here."""

import json
import os
import sys
from pathlib import Path
from urllib.parse import urlsplit

from rich.console import Console

from limner.engine.errors import LimnerError, UsageError
from limner.models.catalogue import PUBLISHED, Published
from limner.models.download import fetch
from limner.models.modelfiles import cache_folder

from .loader import import_late

ENDINGS = {".pth", ".pt", ".ckpt", ".bin", ".safetensors", ".model", ".pb", ".tar"}


def folders(extra: Path | None = None) -> list[Path]:
    """Where checkpoints are looked for: the folder given, `LIMNER_MODELS`, and `weights` in the user's cache."""
    named = os.environ.get("LIMNER_MODELS")
    found = [extra, Path(named) if named else None, cache_folder() / "weights"]
    return [folder for folder in found if folder]


def present(places: list[Path]) -> dict[str, Path]:
    """Catalogue name -> the first file that holds it, told by its keys. Unreadable files are passed over with a line."""
    found: dict[str, Path] = {}
    for path in (p for folder in places if folder.is_dir() for p in sorted(folder.rglob("*"))):
        if path.is_file() and path.suffix.lower() in ENDINGS:
            for name in _held(path):
                found.setdefault(name, path)
    return found


def _held(path: Path) -> list[str]:
    try:
        if path.suffix.lower() == ".pb":
            import_late("limner.models.deepspeech").load_graph(path)
            return ["deepspeech"]
        return [entry.name for entry in import_late("limner.models.weights").identify(path)]
    except LimnerError as error:
        print(f"passed over {error}", file=sys.stderr)
        return []


def run(folder: Path | None = None, as_json: bool = False) -> int:
    """Print every published network with its licence and whether a file of it was found."""
    here = present(folders(folder))
    if as_json:
        json.dump([row(entry, here.get(entry.name)) for entry in PUBLISHED], sys.stdout, indent=1)
        print()
        return 0
    console = Console(highlight=False, soft_wrap=True)
    for kind in dict.fromkeys(entry.kind for entry in PUBLISHED):
        console.print(f"[bold]{kind}[/bold]")
        for entry in (entry for entry in PUBLISHED if entry.kind == kind):
            path = here.get(entry.name)
            place = f"[green]here: {path}[/green]" if path else f"not here: {entry.file}, {entry.page}"
            console.print(f"  {entry.title}   [cyan]{entry.use}[/cyan]\n      {place}\n      licence: {entry.licence}")
    console.print("None of these is part of limner and none is needed: `--animator morphable` works without. "
                  f"Looked in: {', '.join(map(str, folders(folder)))}.", markup=False)
    return 0


def row(entry: Published, path: Path | None) -> dict[str, str | None]:
    return {"name": entry.name, "kind": entry.kind, "title": entry.title, "use": entry.use, "licence": entry.licence,
            "file": entry.file, "page": entry.page, "here": str(path) if path else None}


def get(url: str, sha256: str, out: Path | None = None) -> int:
    """Fetch one file the user names, checked by its SHA-256, into `out` or the weights folder; print where it lies."""
    name = Path(urlsplit(url).path).name
    if not name:
        raise UsageError(f"{url}: no file name in the address; say where to put it with -o")
    path = out or cache_folder() / "weights" / name
    terminal = sys.stderr.isatty()

    def told(done: int, total: int | None) -> None:
        if terminal:
            share = f" of {total >> 20}" if total else ""
            print(f"\r\x1b[K{path.name}: {done >> 20}{share} MiB", end="", file=sys.stderr, flush=True)
    fetch(url, sha256, path, told)
    if terminal:
        print(file=sys.stderr)
    held = _held(path) if path.suffix.lower() in ENDINGS else []
    print(f"{path}{': ' + ', '.join(held) if held else ''}")
    return 0
