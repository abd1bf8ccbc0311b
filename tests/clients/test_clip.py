from fractions import Fraction

import av
import numpy as np
import pytest

from limner.clients import clip
from limner.engine.errors import MediaError, TooLarge, UsageError
from tests.clients import moving_picture


def test_a_clip_is_described_and_read_in_order(tmp_path):
    path = moving_picture.film(tmp_path / "a.mp4")
    about = clip.describe(path)
    assert (about.size, about.rate, about.frames, about.sound) == (moving_picture.SIZE, 25, 12, 48_000)
    read = list(clip.frames(about))
    assert [f.pts for f in read] == [3600 * k for k in range(12)]
    assert all(np.abs(f.pixels.astype(int) - moving_picture.picture(k)).mean() < 4 for k, f in enumerate(read))


def test_pixels_are_made_square_and_turned_upright(tmp_path):
    path = tmp_path / "phone.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.height, stream.width, stream.pix_fmt = 96, 128, "yuv420p"
        stream.codec_context.sample_aspect_ratio = Fraction(3, 2)
        for k in range(3):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(moving_picture.picture(k), format="rgb24")))
        container.mux(stream.encode())
    about = clip.describe(path)
    assert about.size == (96, 192) and about.sound is None
    assert [f.pixels.shape for f in clip.frames(about)] == [(96, 192, 3)] * 3


@pytest.mark.parametrize(("content", "message"), [
    (b"", "not a video"), (b"hello" * 100, "not a video"), (b"#EXTM3U\n#EXTINF:1\nfile:///etc/passwd\n", "not a video"),
])
def test_what_is_no_video_is_told(tmp_path, content, message):
    path = tmp_path / "x.mp4"
    path.write_bytes(content)
    with pytest.raises(MediaError, match=message):
        clip.describe(path)


def test_an_absent_file_a_sound_and_a_huge_picture_are_told(tmp_path, monkeypatch):
    with pytest.raises(MediaError, match="not a video"):
        clip.describe(tmp_path / "absent.mp4")
    path = moving_picture.film(tmp_path / "a.mp4", 3)
    monkeypatch.setattr(clip, "MOST_PIXELS", 1000)
    with pytest.raises(TooLarge, match="128 x 96"):
        clip.describe(path)


def test_a_clip_that_breaks_off_gives_what_came_before(tmp_path):
    path = moving_picture.film(tmp_path / "a.mp4", 12)
    data = path.read_bytes()
    (tmp_path / "b.mp4").write_bytes(data[:len(data) * 2 // 3])
    about = clip.describe(tmp_path / "b.mp4")
    assert 1 <= len(list(clip.frames(about))) <= 12


def test_output_names_are_checked(tmp_path):
    path = moving_picture.film(tmp_path / "a.mp4", 3)
    with pytest.raises(UsageError, match=r"ends in \.mp4"):
        clip.check_paths(path, tmp_path / "b.avi")
    with pytest.raises(UsageError, match="the input itself"):
        clip.check_paths(path, path)


@pytest.mark.parametrize(("rotation", "corner"), [(0, (0, 0)), (90, (-1, 0)), (-90, (0, -1)), (180, (-1, -1))])
def test_a_camera_held_on_its_side_is_turned(rotation, corner):
    class Picture:
        """What PyAV gives: degrees counter-clockwise to the upright picture."""

        height, width = 4, 6

        def to_ndarray(self, **_):
            pixels = np.zeros((4, 6, 3), np.uint8)
            pixels[0, 0] = 255
            return pixels

    class Stream:
        sample_aspect_ratio = None

    Picture.rotation = rotation
    pixels = clip._upright(Picture(), Stream())
    assert pixels.shape == ((4, 6, 3) if rotation % 180 == 0 else (6, 4, 3)) and pixels[corner].all()
