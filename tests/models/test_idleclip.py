import av
import numpy as np
import pytest

from limner.engine.errors import MediaError, PortraitError
from limner.models import idleclip
from limner.models.idleclip import IdleClip, read_clip, steady, still
from tests.models import faces


def write(path, frames, rate=25):
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=rate)
        stream.height, stream.width, stream.pix_fmt, stream.bit_rate = *frames[0].shape[:2], "yuv420p", 4_000_000
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    return path


def test_forwards_and_back_without_a_jump():
    clip = IdleClip(np.zeros((4, 2, 2, 3), np.uint8), np.zeros((4, 478, 3), np.float32), 3600)
    shown = [clip.at(3600 * i + 5) for i in range(14)]
    assert shown == [0, 1, 2, 3, 2, 1, 0, 1, 2, 3, 2, 1, 0, 1]
    assert clip.at(-3600) == 1                                           # before the session's start, too


def test_still_scales_picture_and_points():
    portrait = faces.portrait()
    clip = still(portrait, 256)
    assert clip.frames.shape == (1, 256, 256, 3) and clip.at(10**9) == 0
    scale = 256 / portrait.image.shape[0]
    centres = portrait.landmarks[:, :2] + 0.5
    np.testing.assert_allclose(clip.landmarks[0, :, :2] + 0.5, centres * scale, rtol=1e-5)


def test_steady_keeps_a_still_face_and_damps_noise():
    still_face = np.tile(np.random.default_rng(0).random((1, 478, 3), np.float32), (9, 1, 1))
    np.testing.assert_allclose(steady(still_face), still_face, rtol=1e-6)
    noise = np.random.default_rng(1).standard_normal((60, 478, 3)).astype(np.float32)
    assert steady(noise).std() < 0.6


def test_clip_is_followed(tmp_path, monkeypatch):
    pytest.importorskip("ai_edge_litert")
    frames, marks = faces.moving(6, 256)
    wide = np.concatenate([np.full((6, 256, 64, 3), 128, np.uint8), frames], 2)
    try:
        clip = read_clip(write(tmp_path / "c.mp4", wide), 256)
    except idleclip.PortraitError:
        raise
    except Exception as error:                                           # the detector's files are fetched on demand
        if "mediapipe" in str(error):
            pytest.skip("the portrait networks are not here")
        raise
    assert clip.frames.shape == (6, 256, 256, 3) and clip.duration == 3600
    assert np.abs(clip.landmarks[..., 0] - marks[..., 0]).mean() < 6


def test_face_nearest_to_the_last_is_the_same_person(monkeypatch, tmp_path):
    class Face:
        def __init__(self, x, eyes):
            self.landmarks, self.eyes = np.full((478, 3), x, np.float32), eyes
    seen = iter([[Face(50, 30), Face(200, 60)], [Face(52, 90), Face(203, 50)]])
    monkeypatch.setattr(idleclip, "find_faces", lambda frame: next(seen))
    marks = idleclip.follow([np.zeros((4, 4, 3), np.uint8)] * 2, tmp_path)
    assert marks[:, 0, 0].tolist() == [200, 203]


def test_frame_without_a_face(monkeypatch, tmp_path):
    monkeypatch.setattr(idleclip, "find_faces", lambda frame: [])
    with pytest.raises(PortraitError, match="no face in frame 0"):
        read_clip(write(tmp_path / "c.mp4", np.zeros((2, 64, 64, 3), np.uint8)), 64)


def test_not_a_video(tmp_path):
    path = tmp_path / "junk.mp4"
    path.write_bytes(b"no video" * 100)
    with pytest.raises(MediaError, match="not a video"):
        read_clip(path, 64)
    with pytest.raises(MediaError):
        read_clip(tmp_path / "none.mp4", 64)


def test_length_is_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(idleclip, "MOST_FRAMES", 3)
    frames, _ = idleclip._decode(write(tmp_path / "c.mp4", np.zeros((8, 64, 64, 3), np.uint8)))
    assert len(frames) == 3
