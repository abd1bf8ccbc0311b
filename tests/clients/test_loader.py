"""The registry: folders listed without importing, unknown names and missing packages said in one line."""

import sys

import pytest

from limner.clients import loader
from limner.engine.errors import MissingPackage, UsageError


@pytest.mark.parametrize("kind", loader.FOLDERS)
def test_every_folder_has_something(kind):
    assert loader.names(kind)


def test_listing_imports_nothing():
    before = {m for m in sys.modules if m.startswith("limner.models.restorers.")}
    loader.names("restorers")
    assert {m for m in sys.modules if m.startswith("limner.models.restorers.")} == before


def test_unknown_name_lists_the_known_ones():
    with pytest.raises(UsageError, match=r"no animator is called 'puppet'.*morphable"):
        loader.load("animators", "puppet")


@pytest.mark.parametrize("name", loader.names("animators"))
def test_every_animator_says_what_it_listens_to_and_can_be_made(name):
    module = loader.load("animators", name)
    kind, extractor = module.EXTRACTOR.split("/")
    assert extractor in loader.names(kind)
    assert callable(module.create) and callable(loader.load(kind, extractor).create)


BY_THE_SERVER = {"webrtc", "websocket"}           # one for each peer that connects, never named by a user


@pytest.mark.parametrize("kind", ["interpolators", "restorers", "sources", "sinks"])
def test_every_other_registry_file_can_be_made(kind):
    named = set(loader.names(kind)) - BY_THE_SERVER
    assert named and all(callable(loader.load(kind, name).create) for name in named)


def test_a_missing_package_is_named_with_its_install_command(monkeypatch):
    monkeypatch.setitem(sys.modules, "sounddevice", None)

    def fail(_):
        raise ModuleNotFoundError("No module named 'sounddevice'", name="sounddevice")

    monkeypatch.setattr(loader.importlib, "import_module", fail)
    with pytest.raises(MissingPackage, match=r"needs the package sounddevice; install it: pip install 'limner\[mic\]'"):
        loader.import_late("limner.streams.sources.microphone")


def test_a_defect_of_ours_is_not_taken_for_a_missing_package(monkeypatch):
    def fail(_):
        raise ModuleNotFoundError("No module named 'limner.nothing'", name="limner.nothing")

    monkeypatch.setattr(loader.importlib, "import_module", fail)
    with pytest.raises(ModuleNotFoundError):
        loader.import_late("limner.models.nothing")
