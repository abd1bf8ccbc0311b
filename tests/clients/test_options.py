"""Options: defaults, a TOML file, the command line over it, and one line for each mistake."""

from pathlib import Path

import pytest

from limner.clients.options import Options, is_clip, make_options
from limner.engine.errors import UsageError


def test_the_command_line_wins_over_the_file(tmp_path):
    config = tmp_path / "c.toml"
    config.write_text('fps = 50\nmood = "warm"\nportrait = "me.jpg"\n')
    got = make_options({"fps": 30, "mood": None}, config)
    assert (got.fps, got.mood, got.portrait) == (30, "warm", Path("me.jpg"))


@pytest.mark.parametrize(("text", "says"), [
    ("speed = 3", "unknown key 'speed'"),
    ("fps = '25'", "expected int"),
    ("fps = true", "expected int"),
    ("portrait = 3", "expected a path"),
    ("fps = ", "not a readable TOML file"),
    ("mood = 'angry'", "--mood angry"),
])
def test_a_bad_file_is_one_clear_line(tmp_path, text, says):
    config = tmp_path / "c.toml"
    config.write_text(text)
    with pytest.raises(UsageError) as error:
        make_options({}, config)
    assert says in str(error.value) and "\n" not in str(error.value).split("(")[0]


def test_a_missing_file_is_one_clear_line(tmp_path):
    with pytest.raises(UsageError, match="not a readable TOML file"):
        make_options({}, tmp_path / "none.toml")


@pytest.mark.parametrize("wrong", [{"fps": 29}, {"size": 500}, {"size": 2048}, {"liveliness": 1.5}, {"cap_ms": 5},
                                   {"avatar": "a", "portrait": Path("b.jpg")}])
def test_values_out_of_range_are_refused(wrong):
    with pytest.raises(UsageError, match="--"):
        Options(**wrong)


def test_a_moving_portrait_is_handed_on_as_a_clip():
    clip = Options(portrait=Path("idle.mp4")).face_options().clip
    assert clip == Path("idle.mp4") and Options(portrait=Path("me.png")).face_options().clip is None
    assert is_clip(Path("a.MOV")) and not is_clip(Path("a.webp"))
