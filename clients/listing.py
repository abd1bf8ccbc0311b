"""`limner list`: what can be named on the command line."""

import json
import sys

from rich.console import Console
from rich.table import Table

from limner.models.avatar import bundled_avatars

from . import loader, run
from .options import MOODS, RATES

TITLES = {"animators": "--animator", "interpolators": "--interpolate", "restorers": "--restore"}


def inventory() -> dict[str, list]:
    """Every name a user can choose, by option."""
    found: dict[str, list] = {"--avatar": bundled_avatars()}
    found.update({title: loader.names(kind) for kind, title in TITLES.items()})
    found |= {"--from": [*run.SOURCES, "FILE"], "--to": [*run.SINKS, "FILE.mp4"]}
    return {**found, "--mood": list(MOODS), "--fps": list(RATES)}


def show(as_json: bool = False) -> int:
    """Print the inventory as a table, or as JSON for programs."""
    found = inventory()
    if as_json:
        json.dump(found, sys.stdout, indent=2)
        print()
        return 0
    table = Table(box=None, show_header=False)
    for option, names in found.items():
        table.add_row(f"[bold]{option}", "  ".join(map(str, names)))
    Console().print(table)
    return 0
