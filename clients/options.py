"""Common options: one frozen record, filled from a TOML file first and the command line second."""

import argparse
import dataclasses
import tomllib
from dataclasses import dataclass
from pathlib import Path

from limner.engine.errors import UsageError
from limner.models.options import FaceOptions

RATES = (24, 25, 30, 50, 60)
SIZES = (256, 384, 512, 768, 1024)
MOODS = ("neutral", "warm", "serious")


@dataclass(frozen=True, slots=True)
class Options:
    """Everything a command may be told about the face, its rate and its care. Paths are as the user wrote them."""

    avatar: str | None = None          # bundled name or .avatar file; None with no portrait: the default one
    portrait: Path | None = None       # picture to rig on the fly
    face: int | None = None            # which face of the picture, counted from the left, 0 first
    force: bool = False                # accept a portrait outside the stated limits
    animator: str = "morphable"
    fps: int = 25
    size: int = 512
    interpolate: str = "off"           # off | blend | amt
    restore: str = "off"               # off | sharpen | NAME[:BUDGETms]
    weights: Path | None = None
    graph: Path | None = None
    basis: Path | None = None
    restore_weights: Path | None = None
    interpolate_weights: Path | None = None
    device: str = "auto"
    half: bool = False                 # 16-bit decoders
    seed: int = 0
    liveliness: float = 1.0
    mood: str = "neutral"
    cap_ms: int = 250
    background: str = "keep"           # keep | a colour | blur[:PIXELS] | transparent | a picture file

    def __post_init__(self) -> None:
        check(self.fps in RATES, f"--fps {self.fps}: expected one of {', '.join(map(str, RATES))}")
        check(256 <= self.size <= 1024 and self.size % 16 == 0, f"--size {self.size}: expected a multiple of 16 from 256 to 1024")
        check(0 <= self.liveliness <= 1, f"--liveliness {self.liveliness}: expected 0 (still) to 1 (natural)")
        check(self.mood in MOODS, f"--mood {self.mood}: expected one of {', '.join(MOODS)}")
        check(60 <= self.cap_ms <= 5000, f"--cap-ms {self.cap_ms}: expected 60 to 5000")
        check(not (self.avatar and self.portrait), "--avatar and --portrait were both given; choose one")

    def face_options(self) -> FaceOptions:
        """What an animator's `create` is given."""
        shared = {f.name for f in dataclasses.fields(FaceOptions)} & {f.name for f in dataclasses.fields(self)}
        clip = self.portrait if self.portrait and is_clip(self.portrait) else None
        return FaceOptions(clip=clip, alpha=self.background == "transparent", **{name: getattr(self, name) for name in shared})


def check(good: bool, message: str) -> None:
    """UsageError with `message` unless `good`."""
    if not good:
        raise UsageError(message)


def is_clip(path: Path) -> bool:
    """A moving portrait (idle clip) rather than a still one, by its ending."""
    return path.suffix.lower() in {".mp4", ".mov", ".mkv", ".webm", ".avi", ".mpg"}


def read_config(path: Path) -> dict:
    """Options in a TOML file, with the same names as the command line's (`-` or `_`).

    Raises UsageError for an unreadable file, an unknown key or a value of the wrong type.
    """
    try:
        table = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise UsageError(f"{path}: not a readable TOML file ({error})") from error
    return {name: typed(name, value, path) for name, value in ((k.replace("-", "_"), v) for k, v in table.items())}


def typed(name: str, value: object, path: Path) -> object:
    """One configuration value checked against the field of Options with that name."""
    fields = {f.name: f for f in dataclasses.fields(Options)}
    check(name in fields, f"{path}: unknown key {name!r}; known: {', '.join(sorted(fields))}")
    kind = getattr(fields[name].type, "__name__", None) or str(fields[name].type)
    if "Path" in kind:
        check(isinstance(value, str), f"{path}: {name} = {value!r}: expected a path in quotes")
        return Path(value)
    accepted = {"int": int, "float": (int, float), "bool": bool, "str": str}
    wanted = next(t for n, t in accepted.items() if n in kind)
    good = isinstance(value, wanted) and (wanted is bool or not isinstance(value, bool))
    check(good, f"{path}: {name} = {value!r}: expected {kind.removesuffix(' | None')}")
    return value


def make_options(values: dict, config: Path | None = None) -> Options:
    """Options from a configuration file overridden by what was given on the command line (None means not given)."""
    merged = read_config(config) if config else {}
    merged.update({k: v for k, v in values.items() if v is not None})
    return Options(**merged)


def options_of(args: argparse.Namespace) -> Options:
    """The common options of a parsed command line."""
    given = {f.name: getattr(args, f.name, None) for f in dataclasses.fields(Options)}
    return make_options(given, getattr(args, "config", None))
