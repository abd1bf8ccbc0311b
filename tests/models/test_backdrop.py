"""Backdrops: how they are named, what is behind the person, and that nothing of the old background is left."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from limner.engine.errors import TooLarge, UsageError
from limner.models import picture
from limner.models.avatar import bundled_avatars, default_avatar, load_avatar
from limner.models.backdrop import Backdrop, blur, cover, cut_out, parse, tighten

GREEN = (0, 177, 64)


@pytest.mark.parametrize(("text", "kind", "colour"), [
    ("keep", "keep", None), ("transparent", "transparent", None), ("blur", "blur", None),
    ("#00b140", "colour", GREEN), ("green", "colour", (0, 128, 0)), ("rgb(1, 2, 3)", "colour", (1, 2, 3)),
    ("#00b14080", "colour", GREEN), ("rgb(999, 0, 300)", "colour", (255, 0, 255)),
])
def test_names_are_understood(text, kind, colour):
    got = parse(text)
    assert got.kind == kind and (colour is None or got.colour == colour)


def test_the_strength_of_a_blur():
    assert parse("blur:30").radius == 30
    for wrong in ("blur:0", "blur:65", "blur:much", "blur:nan"):
        with pytest.raises(UsageError, match="expected 1 to 64"):
            parse(wrong)


def test_what_is_neither_colour_nor_file_is_one_line(tmp_path):
    with pytest.raises(UsageError, match="neither a colour nor a picture file"):
        parse("grene")
    with pytest.raises(UsageError, match="neither a colour nor a picture file"):
        parse("a" * 100_000)
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    with pytest.raises(UsageError, match=r"broken\.png is no picture"):
        parse(str(broken))


@settings(deadline=None)
@given(st.text(max_size=40) | st.from_regex(r"(rgb|hsl|hsv)\(-?\d{1,5}%?,\s?\d{1,9}%?,\s?\d{1,3}%?\)|#[0-9a-f]{1,9}|blur:.{0,8}", fullmatch=True))
def test_whatever_is_asked_for_is_understood_or_refused_in_one_line(text):
    try:
        behind = parse(text, files=False).behind(default_avatar(), 8)
    except UsageError as error:
        assert "expected" in str(error)
    else:
        assert behind is None or (behind.dtype == np.uint8 and behind.shape == (8, 8, 3))


def test_a_caller_from_outside_names_no_files(tmp_path):
    path = tmp_path / "office.png"
    Image.new("RGB", (64, 64)).save(path)
    assert parse(str(path)).kind == "picture"
    with pytest.raises(UsageError, match="expected keep, a colour"):
        parse(str(path), files=False)


def test_a_picture_too_large_is_refused_by_its_header(tmp_path, monkeypatch):
    path = tmp_path / "large.png"
    Image.new("RGB", (64, 64)).save(path)
    monkeypatch.setattr(picture, "MAX_MEGAPIXELS", 0)
    with pytest.raises(TooLarge, match="background"):
        parse(str(path))


def test_a_picture_covers_the_square_from_its_middle_upright(tmp_path):
    pixels = np.zeros((40, 100, 3), np.uint8)
    pixels[:, 30:70] = (10, 200, 30)
    pixels[:5, 30:70] = (250, 0, 0)
    path = tmp_path / "turned.png"
    upright = Image.fromarray(pixels)
    exif = Image.Exif()
    exif[0x0112] = 3                                     # stored upside down
    upright.rotate(180).save(path, exif=exif)
    behind = parse(str(path)).behind(default_avatar(), 200)
    assert behind.shape == (200, 200, 3)
    assert (behind[100, :] == (10, 200, 30)).all() and behind[5, 100, 0] > 240
    assert cover(pixels, 40)[20, 0].tolist() == [10, 200, 30]


def test_keep_and_transparent_put_nothing_behind():
    avatar = default_avatar()
    assert parse("keep").behind(avatar, 64) is None and parse("transparent").behind(avatar, 64) is None
    assert parse("keep").replace(avatar) is avatar
    with pytest.raises(UsageError, match="only the morphable"):
        parse("transparent").replace(avatar)


def test_a_blur_keeps_light_and_spreads_a_point_into_a_disc():
    flat = np.full((64, 64, 3), 90, np.uint8)
    assert np.abs(blur(flat, 9).astype(int) - 90).max() <= 1             # rounding
    point = np.zeros((64, 64, 3), np.uint8)
    point[32, 32] = 255
    disc = blur(point, 5)[..., 0]
    assert disc[32, 32] == disc[32, 36] > 0 and disc[32, 39] == 0        # even inside, dark outside
    linear = (disc / 255.0) ** 2.2
    assert linear.sum() == pytest.approx(1, rel=0.1)                     # of 8-bit values this dark


def scene(wide: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A dark disc with a soft edge on a bright ground, a matte `wide` px too large, and the ground."""
    y, x = np.mgrid[:256, :256]
    distance = 80 - np.hypot(x - 128, y - 128)
    true = np.clip(distance / 2 + 0.5, 0, 1)[..., None]
    ground = np.full((256, 256, 3), (200, 210, 220), np.uint8)
    image = np.rint(true * (60, 40, 30) + (1 - true) * ground).astype(np.uint8)
    return image, np.clip((distance + wide) / 2 + 0.5, 0, 1).astype(np.float32), ground


def test_a_matte_too_wide_is_tightened_to_the_true_edge():
    image, wide, ground = scene(1.0)
    _, true, _ = scene(0.0)
    got = tighten(image, wide, ground)
    assert np.abs(wide - true).sum() > 480                               # px of rim before, one along the whole edge
    assert np.abs(got - true).sum() < 150                                # measured 118: levels near 0 and 1 are snapped
    assert (got <= wide).all() and got[128, 128] == 1


def test_where_person_and_background_look_alike_the_matte_stays():
    image, mask, _ = scene(1.0)
    alike = np.full_like(image, (60, 40, 30))
    assert np.array_equal(tighten(alike, mask, alike), mask)


@pytest.mark.parametrize("name", bundled_avatars())
def test_no_rim_of_the_old_background_is_left_before_black(name):
    avatar = load_avatar(name)
    new = Backdrop("colour", (0, 0, 0)).replace(avatar)
    assert (new.background == 0).all() and new.portrait.mask.max() == 1
    # The brightest that a partly transparent pixel may be is the person's own share of it.
    mask = new.portrait.mask
    edge = (mask > 0.05) & (mask < 0.5)
    excess = new.portrait.image[edge].max(1) - 255 * mask[edge]
    assert np.quantile(excess, 0.99) < 25                                # grey levels
    assert np.array_equal(cut_out(avatar).portrait.image, avatar.portrait.image)
