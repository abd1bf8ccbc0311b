"""Settings are checked where they come in."""

import pytest

from limner.engine.config import Settings, load_settings
from limner.engine.errors import UsageError


def test_defaults_hold():
    settings = load_settings()
    assert (settings.fps, settings.size, settings.cap_ms, settings.seed) == (25, 512, 250, 0)
    assert settings.duration == 3600
    assert settings.cap == 22_500


@pytest.mark.parametrize("text", ["fps = 50\nseed = 7\n", "[session]\nfps = 50\nseed = 7\n"])
def test_toml_then_overrides(tmp_path, text):
    path = tmp_path / "limner.toml"
    path.write_text(text)
    settings = load_settings(path, {"seed": 9, "size": None})
    assert (settings.fps, settings.seed, settings.size) == (50, 9, 512)


@pytest.mark.parametrize(("values", "message"), [
    ({"fsp": 25}, "unknown setting 'fsp'; known are fps"), ({"fps": "25"}, "whole number"), ({"fps": True}, "whole"),
    ({"fps": 0}, "outside 1..120"), ({"fps": 77}, "use 24, 25, 30, 50 or 60"), ({"size": 10**6}, "outside 64..2048"),
    ({"cap_ms": 10}, "outside 40..5000"), ({"draw_ms": 0}, "outside"), ({"pacing_ms": -1}, "outside"),
    ({"block_ms": 1}, "outside"),
])  # fmt: skip
def test_wrong_values_are_one_clear_line(values, message):
    with pytest.raises(UsageError, match=message) as caught:
        load_settings(overrides=values)
    assert "\n" not in str(caught.value)


def test_files_that_cannot_be_used(tmp_path):
    with pytest.raises(UsageError, match="cannot read settings"):
        load_settings(tmp_path / "absent.toml")
    broken = tmp_path / "broken.toml"
    broken.write_text("fps = = 3")
    with pytest.raises(UsageError, match="not valid TOML"):
        load_settings(broken)
    broken.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match="not valid TOML"):
        load_settings(broken)
    broken.write_text("session = 3")
    with pytest.raises(UsageError, match="must be a table"):
        load_settings(broken)


def test_settings_are_frozen():
    with pytest.raises(AttributeError):
        Settings().fps = 3
