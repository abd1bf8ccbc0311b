"""Any picture in, plain RGB out; everything that is no picture refused in one line."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms

from limner.engine.errors import InputError, PortraitError, TooLarge
from limner.models.picture import GREY, read_image


@pytest.fixture
def scene() -> np.ndarray:
    """Smooth colours u8 [48, 64, 3] with no symmetry, so that a wrong turn shows."""
    y, x = np.mgrid[:48, :64]
    return np.stack([x * 4, y * 5, 200 - x - y], axis=-1).astype(np.uint8)


def encode(image: Image.Image, kind: str = "PNG", **options) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF"])
def test_lossless_kinds_are_exact(scene, kind):
    np.testing.assert_array_equal(read_image(encode(Image.fromarray(scene), kind)), scene)


@pytest.mark.parametrize("kind", ["JPEG", "WEBP"])
def test_lossy_kinds_are_close(scene, kind):
    back = read_image(encode(Image.fromarray(scene), kind, quality=95))
    assert np.abs(back.astype(int) - scene).mean() < 3      # quality 95: about one level, a little more in colour


@pytest.mark.parametrize(("orientation", "turns", "mirrored"),
                         [(1, 0, False), (2, 0, True), (3, 2, False), (4, 2, True), (6, 3, False), (8, 1, False)])
def test_exif_orientation(scene, orientation, turns, mirrored):
    """The camera stored `scene`; viewers turn it anticlockwise by `turns` quarter turns and may mirror it."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    expected = np.rot90(scene, turns)
    expected = expected[:, ::-1] if mirrored else expected
    np.testing.assert_array_equal(read_image(encode(Image.fromarray(scene), exif=exif)), expected)


def test_grey_becomes_three_equal_channels(scene):
    back = read_image(encode(Image.fromarray(scene[..., 0])))
    np.testing.assert_array_equal(back, np.repeat(scene[..., :1], 3, axis=2))


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bits_are_scaled_not_clipped(scene, kind):
    wide = scene[..., 0].astype(np.uint16) * 257
    np.testing.assert_array_equal(read_image(encode(Image.fromarray(wide), kind))[..., 1], scene[..., 0])


def test_float_pictures(scene):
    back = read_image(encode(Image.fromarray(scene[..., 0].astype(np.float32) / 255), "TIFF"))
    np.testing.assert_array_equal(back[..., 0], scene[..., 0])


def test_cmyk(scene):
    back = read_image(encode(Image.fromarray(scene).convert("CMYK"), "JPEG", quality=95))
    assert np.abs(back.astype(int) - scene).mean() < 4


def test_palette(scene):
    back = read_image(encode(Image.fromarray(scene).quantize(64)))
    assert np.abs(back.astype(int) - scene).mean() < 12     # 64 colours for 3072 different ones


def test_transparency_lies_over_grey_or_comes_along(scene):
    alpha = np.zeros((48, 64, 1), np.uint8)
    alpha[:, 32:] = 255
    data = encode(Image.fromarray(np.concatenate([scene, alpha], axis=2)))
    back = read_image(data)
    assert (back[:, :32] == GREY).all()
    np.testing.assert_array_equal(back[:, 32:], scene[:, 32:])
    np.testing.assert_array_equal(read_image(data, alpha=True)[..., 3:], alpha)
    assert read_image(encode(Image.fromarray(scene)), alpha=True).shape == (48, 64, 3)


def test_transparent_palette(scene):
    image = Image.fromarray(scene).quantize(8)
    index = image.getpixel((0, 0))
    back = read_image(encode(image, transparency=index))
    assert (back[0, 0] == GREY).all()


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_an_animation_gives_its_first_frame(kind):
    frames = [Image.new("RGB", (32, 32), colour) for colour in ("#c00000", "#0000c0")]
    lossless = {"lossless": True} if kind == "WEBP" else {}
    data = encode(frames[0], kind, save_all=True, append_images=frames[1:], **lossless)
    assert (read_image(data)[16, 16] == (192, 0, 0)).all()


def test_colour_profile_is_honoured(scene):
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
    same = read_image(encode(Image.fromarray(scene), icc_profile=lab.tobytes()))
    assert np.abs(same.astype(int) - scene).max() <= 1      # sRGB to sRGB, rounded once
    np.testing.assert_array_equal(read_image(encode(Image.fromarray(scene), icc_profile=b"broken")), scene)


def test_a_path_works_like_bytes(scene, tmp_path):
    path = tmp_path / "Ünï cödé name.png"
    Image.fromarray(scene).save(path)
    np.testing.assert_array_equal(read_image(path), scene)
    np.testing.assert_array_equal(read_image(str(path)), scene)


def png_header(width: int, height: int) -> bytes:
    """A PNG whose header claims a size, followed by no more than the beginning of its pixels."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    checked = struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    return b"\x89PNG\r\n\x1a\n" + checked + struct.pack(">I", 64) + b"IDAT"


@pytest.mark.parametrize(("width", "height"), [(20_000, 20_000), (9_000, 9_000), (65_000, 1_000),
                                               (2**31 - 1, 2**31 - 1)])
def test_huge_pictures_are_refused_by_their_header(width, height):
    with pytest.raises(TooLarge, match="64 megapixels"):
        read_image(png_header(width, height))


BAD = {
    "empty": b"",
    "text": b"Dear diary, this is no picture." * 20,
    "html": b"<!DOCTYPE html><html></html>",
    "mp4": b"\x00\x00\x00\x18ftypmp42" + bytes(200),
    "header only": png_header(64, 64),
    "zeros": bytes(5000),
    "eps": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 100 100\n(x) print\n",
}


@pytest.mark.parametrize("data", BAD.values(), ids=BAD)
def test_what_is_no_picture(data, tmp_path):
    path = tmp_path / "me.jpg"
    path.write_bytes(data)
    for source in (data, path):
        with pytest.raises(PortraitError) as caught:
            read_image(source)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF"])
@pytest.mark.parametrize("part", [0.02, 0.3, 0.8])
def test_a_truncated_picture(scene, kind, part):
    noisy = scene ^ np.random.default_rng(0).integers(0, 256, scene.shape, np.uint8)
    data = encode(Image.fromarray(noisy), kind)
    with pytest.raises(InputError) as caught:
        read_image(data[:int(len(data) * part)])
    assert "\n" not in str(caught.value)


def test_tiny_pictures_folders_and_missing_files(tmp_path):
    with pytest.raises(PortraitError, match="60 pixels"):
        read_image(encode(Image.new("RGB", (3, 500))))
    with pytest.raises(PortraitError, match="folder"):
        read_image(tmp_path)
    for name in ("none.png", "nul\0.png", "x" * 5000):
        with pytest.raises(PortraitError, match="cannot read"):
            read_image(tmp_path / name)
