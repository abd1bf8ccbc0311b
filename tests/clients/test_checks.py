import importlib.metadata

import pytest

from limner.clients import checks
from limner.engine.errors import DeviceError, MissingPackage
from limner.streams.sinks import speaker
from limner.streams.sources import microphone


def test_an_absent_extra_says_what_it_is_for_and_how_to_get_it(monkeypatch):
    monkeypatch.setattr(checks, "installed", lambda name: None if name == "msgpack" else "1.0")
    found = {f.name: f for f in checks.extras()}
    assert found["extra mic"].state == "ok"
    assert found["extra zmq"].state == "off" and found["extra zmq"].remedy == "pip install 'limner[zmq]'"
    assert "msgpack" in found["extra zmq"].found and "pyzmq" not in found["extra zmq"].found


def test_a_missing_base_package_is_broken(monkeypatch):
    monkeypatch.setattr(checks, "installed", lambda name: None if name == "av" else "1.0")
    assert checks.packages().state == "bad" and "av" in checks.packages().found


def test_installed_reads_metadata():
    assert checks.installed("numpy") == importlib.metadata.version("numpy")
    assert checks.installed("no-such-package-at-all") is None


@pytest.mark.parametrize("error, found, remedy", [
    (MissingPackage("the microphone needs the PortAudio library; install it: apt install libportaudio2"), "PortAudio library", "apt install"),
    (DeviceError("no microphone: PortAudio sees no input device; plug one in"), "no input device", "plug one in")])
def test_no_microphone_is_not_broken(monkeypatch, error, found, remedy):
    def fail(*_):
        raise error

    monkeypatch.setattr(microphone, "portaudio", fail)
    line = checks.microphone()
    assert line.state == "off" and found in line.found and remedy in line.remedy


def test_a_microphone_is_named(monkeypatch):
    class Backend:
        default = type("D", (), {"device": (1, 0)})

        def query_devices(self):
            return [{"name": "out", "max_input_channels": 0}, {"name": "USB mic", "max_input_channels": 1}]

    monkeypatch.setattr(microphone, "portaudio", Backend)
    assert checks.microphone().state == "ok" and "USB mic" in checks.microphone().found


def test_little_room_is_said(monkeypatch, tmp_path):
    monkeypatch.setattr(checks, "MIN_FREE_GB", 1e9)
    assert checks.free("disk", tmp_path).state == "bad" and checks.free("disk", tmp_path).remedy


def test_landmark_models_not_yet_fetched(monkeypatch):
    from limner.models import modelfiles

    monkeypatch.setattr(modelfiles, "find", lambda name: None)
    line = checks.landmark_models()
    assert line.state == "off" and line.value == len(modelfiles.FILES) and "LIMNER_MODELS" in line.remedy


@pytest.mark.parametrize("tool, sinks, state, said", [
    (None, [], "off", "apt install pulseaudio-utils"), ("/usr/bin/pactl", ["hdmi"], "off", "pactl load-module module-null-sink sink_name=limner"),
    ("/usr/bin/pactl", ["limner"], "ok", "record limner-mic")])
def test_a_virtual_microphone(monkeypatch, tool, sinks, state, said):
    monkeypatch.setattr(checks.platform, "system", lambda: "Linux")
    monkeypatch.setattr(checks.shutil, "which", lambda name: tool)
    monkeypatch.setattr(speaker, "server_sinks", lambda: sinks)
    found = checks.virtual_microphone()
    assert found.state == state and said in f"{found.found} {found.remedy}"


@pytest.mark.parametrize(("there", "plugin", "state", "said"), [
    (None, False, "off", "apt install obs-studio"), ("/usr/bin/obs", False, "ok", "take the media source"), ("/usr/bin/obs", True, "ok", "/stage")])
def test_obs_and_whether_it_takes_a_browser_source(monkeypatch, tmp_path, there, plugin, state, said):
    monkeypatch.setattr(checks.platform, "system", lambda: "Linux")
    monkeypatch.setattr(checks.shutil, "which", lambda name: there)
    monkeypatch.setattr(checks, "OBS_PLUGINS", (str(tmp_path.relative_to("/")),))
    if plugin:
        (tmp_path / "obs-browser.so").touch()
    found = checks.obs()
    assert found.state == state and said in f"{found.found} {found.remedy}"
