import json

import numpy as np
import pytest
from PIL import Image

from limner.clients import clip, restore
from limner.engine.errors import OutputError, PortraitError, UsageError, WeightsError
from limner.models.avatar import default_avatar
from limner.models.restoration.live import RestorationStage, Restorer
from limner.models.restorers.sharpen import sharpen
from tests.clients import moving_picture


@pytest.fixture
def face(tmp_path):
    portrait = default_avatar().portrait
    Image.fromarray(portrait.image).save(tmp_path / "in.png")
    return portrait


def brighten(face):
    return np.clip(face.astype(int) + 30, 0, 255).astype(np.uint8)


def test_a_picture_is_sharpened(tmp_path, face):
    assert restore.run(tmp_path / "in.png", tmp_path / "out.png", report=tmp_path / "r.json", quiet=True) == 0
    got = np.asarray(Image.open(tmp_path / "out.png"))
    assert np.array_equal(got, sharpen(face.image))
    assert json.loads((tmp_path / "r.json").read_text())["restored"] == 1


def test_every_face_of_a_picture_is_restored(tmp_path, face, monkeypatch):
    class Found:
        def __init__(self, landmarks):
            self.landmarks = landmarks

    wide = np.concatenate([face.image, face.image], axis=1)
    Image.fromarray(wide).save(tmp_path / "two.png")
    beside = face.landmarks + np.float32([face.image.shape[1], 0, 0])
    monkeypatch.setattr(restore, "find_faces", lambda _: [Found(face.landmarks), Found(beside)])
    numbers = restore.restore_picture(tmp_path / "two.png", tmp_path / "out.png", RestorationStage(Restorer(brighten)))
    got = np.asarray(Image.open(tmp_path / "out.png")).astype(int)
    assert numbers["faces"] == 2
    for landmarks in (face.landmarks, beside):
        x, y = landmarks[1, :2].astype(int)                              # tip of the nose
        gain = (got - wide)[y - 10:y + 10, x - 10:x + 10].mean()
        assert 24 < gain < 32


def test_a_picture_without_a_face_is_told(tmp_path, face, monkeypatch):
    monkeypatch.setattr(restore, "find_faces", lambda _: [])
    with pytest.raises(PortraitError, match=r"no face found.*sharpen"):
        restore.restore_picture(tmp_path / "in.png", tmp_path / "out.png", RestorationStage(Restorer(brighten)))


def test_a_clip_is_restored_at_its_own_rate(tmp_path):
    source = moving_picture.film(tmp_path / "in.mp4", 6)
    assert restore.run(source, tmp_path / "out.mp4", report=tmp_path / "r.json", quiet=True) == 0
    about = clip.describe(tmp_path / "out.mp4")
    assert about.rate == 25 and about.sound == 48_000 and len(list(clip.frames(about))) == 6
    numbers = json.loads((tmp_path / "r.json").read_text())
    assert numbers["restored"] == 6 and numbers["still_change_after"] >= 0 <= numbers["still_change_before"]


def test_a_clip_without_a_face_is_copied_and_told(tmp_path, capsys):
    source = moving_picture.film(tmp_path / "in.mp4", 4)
    numbers = restore.restore_clip(source, tmp_path / "out.mp4", RestorationStage(Restorer(brighten), find=lambda _: None), True)
    assert numbers["restored"] == 0 and "no face in any of 4" in capsys.readouterr().err


def test_mistakes_are_told_and_leave_no_file(tmp_path, face):
    for out, options, error in (("out.gif", {}, UsageError), ("out.png", {"model": "nosuch"}, UsageError),
                                ("out.png", {"model": "gfpgan"}, WeightsError),
                                ("out.png", {"fidelity": 0.5}, UsageError), ("out.png", {"model": "codeformer", "fidelity": 2}, UsageError),
                                ("absent/out.png", {}, OutputError)):
        with pytest.raises(error):
            restore.run(tmp_path / "in.png", tmp_path / out, quiet=True, **options)
    assert [p.name for p in tmp_path.iterdir()] == ["in.png"]
