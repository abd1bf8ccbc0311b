"""Frozen settings, from TOML and from the command line."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from fractions import Fraction
from pathlib import Path
from typing import Any

from .clock import TICKS, TICKS_PER_MS, frame_duration
from .errors import UsageError

MAX_SIZE = 2048


@dataclass(frozen=True, slots=True)
class Settings:
    """What a session is told. Raises UsageError for a value outside its range."""

    fps: int = 25                # pictures per second: 24, 25, 30, 50, 60 or another divisor of 90 000
    size: int = 512              # pixels, side of the square picture
    cap_ms: int = 250            # total delay is never more than this
    seed: int = 0                # of everything random, so that the same input gives the same pixels
    block_ms: int = 20           # longest block a live source delivers at once
    draw_ms: int = 10            # declared for one draw when the animator does not say
    pacing_ms: int = 5           # slack for the jitter of capture and of timers

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, bool) or not isinstance(value, int):
                raise UsageError(f"{field.name} = {value!r}: a whole number is expected")
        _between("fps", self.fps, 1, 120)
        if (Fraction(TICKS) / self.fps).denominator != 1:
            raise UsageError(f"fps = {self.fps} is not a whole number of 1/{TICKS} s ticks; use 24, 25, 30, 50 or 60")
        _between("size", self.size, 64, MAX_SIZE)
        _between("cap_ms", self.cap_ms, 40, 5000)
        _between("block_ms", self.block_ms, 5, 200)
        _between("draw_ms", self.draw_ms, 1, 1000)
        _between("pacing_ms", self.pacing_ms, 0, 100)

    @property
    def duration(self) -> int:
        """Ticks per picture."""
        return frame_duration(self.fps)

    @property
    def cap(self) -> int:
        """Ticks."""
        return self.cap_ms * TICKS_PER_MS


def load_settings(path: str | Path | None = None, overrides: Mapping[str, Any] | None = None) -> Settings:
    """Settings from a TOML file's top level or its `[session]` table, then `overrides` that are not None.

    Raises UsageError when the file cannot be read, is no TOML, or names a setting that does not exist.
    """
    values = {} if path is None else _read(Path(path))
    values |= {name: value for name, value in (overrides or {}).items() if value is not None}
    known = [field.name for field in fields(Settings)]
    for name in values:
        if name not in known:
            raise UsageError(f"unknown setting {name!r}; known are {', '.join(known)}")
    return Settings(**values)


def _read(path: Path) -> dict[str, Any]:
    try:
        table = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise UsageError(f"cannot read settings {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UsageError(f"{path} is not valid TOML: {error}") from error
    session = table.get("session", table)
    if not isinstance(session, dict):
        raise UsageError(f"{path}: [session] must be a table of settings")
    return dict(session)


def _between(name: str, value: int, low: int, high: int) -> None:
    if not low <= value <= high:
        raise UsageError(f"{name} = {value} is outside {low}..{high}")
