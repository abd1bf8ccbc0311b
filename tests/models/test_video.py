import numpy as np
import pytest

from limner.engine.errors import MediaError, TooLarge
from limner.models import video
from limner.models.video import at_rate, open_video
from tests.models.test_idleclip import write


def ramp(count):
    return np.stack([np.full((48, 64, 3), 20 * i, np.uint8) for i in range(count)])


def test_frames_in_order(tmp_path):
    with open_video(write(tmp_path / "c.mp4", ramp(8), rate=30)) as (rate, frames):
        shown = [frame.mean() for frame in frames]
    assert rate == 30 and np.abs(np.array(shown) - 20 * np.arange(8)).max() < 6      # a lossy codec


@pytest.mark.parametrize(("rate", "wanted", "numbers"), [
    (25, 25, [0, 1, 2, 3]), (50, 25, [0, 2]), (12.5, 25, [0, 1, 1, 2, 2, 3, 3]), (30, 25, [0, 1, 2])])
def test_rate_change(rate, wanted, numbers):
    got = [int(frame[0, 0, 0]) // 20 for frame in at_rate(iter(ramp(4)), rate, wanted)]
    assert got[:len(numbers)] == numbers and len(got) == pytest.approx(4 * wanted / rate, abs=1)


def test_too_large_is_refused_before_decoding(tmp_path, monkeypatch):
    path = write(tmp_path / "c.mp4", ramp(2))
    monkeypatch.setattr(video, "MOST_PIXELS", 100)
    with pytest.raises(TooLarge), open_video(path):
        pass


def test_sound_only(tmp_path):
    path = tmp_path / "junk"
    path.write_bytes(b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0\1\0\1\0\x40\x1f\0\0\x80\x3e\0\0\2\0\x10\0data\0\0\0\0")
    with pytest.raises(MediaError), open_video(path):
        pass
