"""Avatar packs: kept exactly, and refused in one line when anything about them is wrong."""

import io
import json
import zipfile

import numpy as np
import pytest
from PIL import Image

from limner.engine.errors import InputError, LimnerError, TooLarge
from limner.engine.types import Portrait
from limner.models import avatar as packs
from limner.models.avatar import Avatar, bundled_avatars, default_avatar, load_avatar, save_avatar, seal


@pytest.fixture
def small() -> Avatar:
    rng = np.random.default_rng(1)
    image, background = rng.integers(0, 256, (2, 128, 128, 3), np.uint8)
    landmarks = rng.uniform(0, 128, (478, 3)).astype(np.float32)
    portrait = Portrait(image, landmarks, np.float32([[1, 0, 0], [0, 1, 0]]),
                        rng.uniform(0, 1, (128, 128)).astype(np.float32))
    return seal("small", portrait, background, licence="made up", consent="nobody is shown", meta={"notes": ["a note"]})


@pytest.fixture
def pack(small, tmp_path) -> dict[str, bytes]:
    """Members of a good pack, to spoil one at a time."""
    save_avatar(small, tmp_path / "good.avatar")
    with zipfile.ZipFile(tmp_path / "good.avatar") as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def zipped(members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return out.getvalue()


def refuse(data: bytes, kind: type[LimnerError] = InputError) -> str:
    with pytest.raises(kind) as caught:
        load_avatar(data)
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 400
    return message


def test_a_pack_comes_back_exactly(small, tmp_path):
    save_avatar(small, tmp_path / "a.avatar")
    back = load_avatar(tmp_path / "a.avatar")
    assert (back.name, back.licence, back.consent, back.sha256, back.meta) == (
        small.name, small.licence, small.consent, small.sha256, small.meta)
    for field in ("image", "landmarks", "mask", "to_crop"):
        np.testing.assert_array_equal(getattr(back.portrait, field), getattr(small.portrait, field))
    np.testing.assert_array_equal(back.background, small.background)


def test_the_same_avatar_gives_the_same_bytes(small, tmp_path):
    for name in ("a.avatar", "b.avatar"):
        save_avatar(small, tmp_path / name)
    assert (tmp_path / "a.avatar").read_bytes() == (tmp_path / "b.avatar").read_bytes()
    assert not list(tmp_path.glob("*.part"))


def test_bytes_load_like_a_file(small, tmp_path):
    save_avatar(small, tmp_path / "a.avatar")
    assert load_avatar((tmp_path / "a.avatar").read_bytes()).sha256 == small.sha256


def test_the_default_is_bundled_first():
    assert bundled_avatars()[0] == packs.DEFAULT
    assert default_avatar().name == packs.DEFAULT


@pytest.mark.parametrize("name", bundled_avatars())
def test_bundled_packs_are_whole_and_say_their_terms(name):
    avatar = load_avatar(name)
    side = avatar.portrait.image.shape[0]
    assert avatar.portrait.image.shape == avatar.background.shape == (side, side, 3)
    assert side >= 512
    assert avatar.licence and avatar.consent
    face = avatar.portrait.landmarks[:468, :2]
    assert (face.min() > 0.05 * side) and (face.max() < 0.95 * side)
    inside = avatar.portrait.mask[face[:, 1].astype(int), face[:, 0].astype(int)]
    assert inside.mean() > 0.99                     # the face itself is person
    assert avatar.portrait.mask[2, 2] < 0.05        # and a corner is not


def test_a_missing_pack_names_the_bundled_ones(tmp_path):
    with pytest.raises(InputError, match=packs.DEFAULT):
        load_avatar(tmp_path / "none.avatar")
    with pytest.raises(InputError, match="bundled"):
        load_avatar("nobody\0")


def test_a_folder_that_is_not_there_cannot_be_written(small, tmp_path):
    with pytest.raises(InputError, match="cannot write"):
        save_avatar(small, tmp_path / "no" / "a.avatar")


@pytest.mark.parametrize("junk", [b"", b"PK\x03\x04", b"hello" * 100, b"\x89PNG\r\n\x1a\n" + bytes(64)])
def test_junk_is_no_pack(junk):
    assert "not a usable avatar pack" in refuse(junk)


@pytest.mark.parametrize("cut", [0.3, 0.7, 0.95])
def test_a_pack_cut_off(pack, cut):
    data = zipped(pack)
    refuse(data[:int(len(data) * cut)])


def test_every_flipped_byte_is_noticed_or_harmless(pack, small):
    data = bytearray(zipped(pack))
    rng = np.random.default_rng(3)
    for place in rng.integers(0, len(data), 60):
        spoiled = bytearray(data)
        spoiled[place] ^= 0xFF
        try:
            back = load_avatar(bytes(spoiled))
        except LimnerError:
            continue
        assert back.sha256 == small.sha256          # a zip has bytes, such as dates, that change nothing


@pytest.mark.parametrize("name", list(packs._LIMITS))
def test_a_member_missing(pack, name):
    del pack[name]
    assert "4 entries" in refuse(zipped(pack))


@pytest.mark.parametrize("name", ["../evil.py", "/etc/cron.d/x", "extra.pkl"])
def test_foreign_members_are_refused_and_nothing_is_written(pack, name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = set(tmp_path.iterdir())
    refuse(zipped(pack | {name: b"x"}))
    assert set(tmp_path.iterdir()) == before


def test_a_zip_bomb_is_read_no_further_than_its_limit(pack):
    pack["portrait.png"] = bytes(64 * 2**20)        # 64 MB of zeros, 64 kB in the zip
    assert "unpacks to more than" in refuse(zipped(pack))


def test_a_large_file_is_refused_unread(tmp_path):
    path = tmp_path / "huge.avatar"
    with path.open("wb") as file:
        file.truncate(packs.MAX_PACK + 1)
    with pytest.raises(TooLarge, match="at most"):
        load_avatar(path)
    refuse(bytes(packs.MAX_PACK + 1), TooLarge)


def test_altered_contents_do_not_match_the_hash(pack):
    image = np.array(Image.open(io.BytesIO(pack["portrait.png"])))
    image[5, 5] ^= 1
    pack["portrait.png"] = packs._to_png(image)
    assert "altered" in refuse(zipped(pack))


@pytest.mark.parametrize(("key", "value"), [
    ("format", "zip"), ("version", 2), ("version", None), ("size", 64), ("size", 4096), ("size", "512"), ("size", True),
    ("name", 5), ("meta", []), ("sha256", None), ("consent", None), ("licence", "changed"),
])
def test_a_wrong_manifest(pack, key, value):
    manifest = json.loads(pack["manifest.json"])
    pack["manifest.json"] = json.dumps(manifest | {key: value}).encode()
    refuse(zipped(pack))


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"null", b"\xff\xfe", b"[" * 50_000])
def test_a_manifest_that_is_no_object(pack, text):
    pack["manifest.json"] = text
    refuse(zipped(pack))


def test_pictures_of_another_size_or_kind(pack):
    for pixels in (np.zeros((64, 64, 3), np.uint8), np.zeros((128, 128), np.uint8),
                   np.zeros((4000, 4000, 3), np.uint8)):
        assert "expected (128, 128) RGB" in refuse(zipped(pack | {"portrait.png": packs._to_png(pixels)}))
    jpeg = io.BytesIO()
    Image.new("RGB", (128, 128)).save(jpeg, "JPEG")
    assert "cannot be decoded" in refuse(zipped(pack | {"background.png": jpeg.getvalue()}))


def npz(**arrays) -> bytes:
    out = io.BytesIO()
    np.savez(out, **arrays)
    return out.getvalue()


@pytest.mark.parametrize("data", [
    b"", b"junk", npz(other=np.zeros(3)), npz(landmarks=np.zeros((468, 3), np.float32)),
    npz(landmarks=np.zeros((478, 3))), npz(landmarks=np.full((478, 3), np.nan, np.float32)),
])
def test_wrong_landmarks(pack, data):
    assert "landmarks" in refuse(zipped(pack | {"geometry.npz": data}))


def test_pickled_landmarks_are_never_unpickled(pack, tmp_path):
    class Trap:
        def __reduce__(self):
            return (tmp_path.joinpath("ran").touch, ())

    out = io.BytesIO()
    np.savez(out, landmarks=np.array([Trap()], dtype=object))
    refuse(zipped(pack | {"geometry.npz": out.getvalue()}))
    assert not (tmp_path / "ran").exists()


def test_an_array_header_that_claims_terabytes_allocates_nothing(pack):
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f4", "fortran_order": False, "shape": (2**40, 3)})
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("landmarks.npy", header.getvalue())
    assert "expected float32" in refuse(zipped(pack | {"geometry.npz": out.getvalue()}))
