"""`limner rig`: a pack that loads, notes for the user, a sheet to judge by."""

import json

import numpy as np
import pytest
from PIL import Image

from limner.clients.rig import run
from limner.engine.errors import InputError, PortraitError, UsageError
from limner.models.avatar import default_avatar, load_avatar
from limner.models.portrait import read_image


@pytest.fixture(scope="session")
def picture(tmp_path_factory):
    """The public-domain portrait as a JPEG file."""
    data = pytest.importorskip("skimage.data", reason="scikit-image is not installed")
    path = tmp_path_factory.mktemp("pictures") / "Eileen C.jpg"
    Image.fromarray(data.astronaut()).save(path, quality=95)
    return path


@pytest.fixture
def landmark_file(tmp_path):
    """Where the bundled avatar's landmarks lie in the picture it was made from."""
    avatar = default_avatar()
    affine = np.vstack([avatar.meta["source_to_crop"], [0, 0, 1]])
    back = np.linalg.inv(affine)
    points = avatar.portrait.landmarks.astype(float)
    xy = points[:, :2] @ back[:2, :2].T + back[:2, 2]
    path = tmp_path / "points.json"
    path.write_text(json.dumps(np.column_stack([xy, points[:, 2] * back[0, 0]]).tolist()))
    return path


def test_a_landmark_file_makes_a_pack(picture, landmark_file, tmp_path, capsys):
    out = tmp_path / "me.avatar"
    assert run(picture, out, landmarks=landmark_file, name="Eileen", licence="public domain", consent="official") == 0
    avatar = load_avatar(out)
    assert (avatar.name, avatar.licence, avatar.consent) == ("Eileen", "public domain", "official")
    expected = default_avatar().portrait.landmarks
    assert np.linalg.norm(avatar.portrait.landmarks - expected, axis=1).mean() < 3      # px; JPEG and float text apart
    said = capsys.readouterr()
    assert said.out == "" and "me.avatar: Eileen, 512 x 512" in said.err and "landmarks were given" in said.err


def test_quiet_says_nothing_and_the_name_is_the_files(picture, landmark_file, tmp_path, capsys):
    run(picture, tmp_path / "a.avatar", landmarks=landmark_file, size=256, quiet=True)
    assert capsys.readouterr() == ("", "")
    avatar = load_avatar(tmp_path / "a.avatar")
    assert avatar.name == "Eileen C" and avatar.portrait.image.shape[0] == 256


@pytest.mark.parametrize("ending", ["png", "jpg"])
def test_the_preview_is_a_picture(picture, landmark_file, tmp_path, ending):
    sheet = tmp_path / f"sheet.{ending}"
    run(picture, tmp_path / "a.avatar", landmarks=landmark_file, size=256, preview=sheet)
    assert min(read_image(sheet).shape[:2]) > 600


@pytest.mark.parametrize(("out", "preview", "word"), [
    ("me.zip", None, "SOMETHING.avatar"), ("me.avatar", "sheet.pdf", "contact sheet"),
])
def test_wrong_names_are_refused_before_any_work(tmp_path, out, preview, word):
    with pytest.raises(UsageError, match=word):
        run(tmp_path / "none.jpg", tmp_path / out, preview=tmp_path / preview if preview else None)
    assert list(tmp_path.iterdir()) == []


def test_errors_come_through(picture, landmark_file, tmp_path):
    with pytest.raises(PortraitError, match="cannot read"):
        run(tmp_path / "none.jpg", tmp_path / "a.avatar")
    landmark_file.write_text("[[1, 2], [3, 4]]")
    with pytest.raises(InputError, match="landmark file"):
        run(picture, tmp_path / "a.avatar", landmarks=landmark_file)
    assert not (tmp_path / "a.avatar").exists()
