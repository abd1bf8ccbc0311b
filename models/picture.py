"""Read a still picture from anyone: header first, then pixels, into plain u8 RGB."""

import io
import re
import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms, ImageOps

from limner.engine.errors import PortraitError, TooLarge

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")
MAX_MEGAPIXELS = 64
MAX_BYTES = 128 * 2**20
GREY = 128                           # what shows through a transparent picture
# What Pillow's readers raise on damaged files; there is no common base.
_BROKEN = (OSError, SyntaxError, ValueError, EOFError, IndexError, KeyError, TypeError, OverflowError, struct.error,
           zlib.error)


def read_image(source: str | Path | bytes, *, alpha: bool = False) -> NDArray[np.uint8]:
    """u8 RGB [H, W, 3] of a file or of its bytes, turned upright as its EXIF says; the first frame of an animation.

    Grey, 16-bit, palette and CMYK pictures are converted, embedded colour profiles honoured. Transparency lies over
    mid grey, or with `alpha` comes as a fourth channel where the picture has one. Raises PortraitError when it is no
    readable picture, TooLarge above 64 megapixels (known from the header, nothing is decoded).
    """
    what = "the upload" if isinstance(source, bytes) else Path(source).name
    data = source if isinstance(source, bytes) else _read_file(Path(source))
    if not data:
        raise PortraitError(f"{what} is empty; give a picture file ({', '.join(FORMATS)})")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")          # Pillow warns of what is checked here, and of odd metadata
            image = Image.open(io.BytesIO(data), formats=FORMATS)
            _check_size(image.size, what)
            image = ImageOps.exif_transpose(image)
            return _to_rgb(image, alpha)
    except Image.UnidentifiedImageError:
        raise PortraitError(f"{what} is no picture limner can read (it begins with {data[:8]!r}); "
                            f"give one of {', '.join(FORMATS)}") from None
    except Image.DecompressionBombError as error:
        pixels = int((re.findall(r"\d+", str(error)) or ["0"])[0])
        raise TooLarge(_size_message(what, f"{pixels / 1e6:.0f} megapixels")) from None
    except _BROKEN as error:
        raise PortraitError(f"{what} is damaged or cut off ({str(error)[:80]}); save or copy it again") from None


def _read_file(path: Path) -> bytes:
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise TooLarge(f"{path.name} has {size / 2**20:.0f} MB; a picture may have {MAX_BYTES // 2**20} MB")
        return path.read_bytes()
    except IsADirectoryError:
        raise PortraitError(f"{path} is a folder; give one picture file") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise PortraitError(f"cannot read the picture {str(path)[:200]!r}: {reason}") from None


def _check_size(size: tuple[int, int], what: str) -> None:
    width, height = size
    if width * height > MAX_MEGAPIXELS * 1_000_000:
        raise TooLarge(_size_message(what, f"{width} x {height} pixels"))
    if min(size) < 16:
        raise PortraitError(f"{what} is {width} x {height} pixels; a face needs at least 60 pixels between the eyes")


def _size_message(what: str, found: str) -> str:
    return f"{what} has {found}; at most {MAX_MEGAPIXELS} megapixels are accepted: scale it down first"


def _to_rgb(image: Image.Image, alpha: bool) -> NDArray[np.uint8]:
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        grey = _eight_bits(np.array(image))
        return np.repeat(grey[..., None], 3, axis=2)
    transparent = image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info
    if transparent:
        pixels = np.array(image.convert("RGBA"))
        if alpha:
            return pixels
        opacity = pixels[..., 3:].astype(np.float32) / 255
        return np.rint(pixels[..., :3] * opacity + GREY * (1 - opacity)).astype(np.uint8)
    return np.array(_to_srgb(image).convert("RGB"))


def _to_srgb(image: Image.Image) -> Image.Image:
    """Through the embedded colour profile, when there is a usable one."""
    profile = image.info.get("icc_profile")
    if not profile or image.mode not in ("RGB", "CMYK"):
        return image
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        converted = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError):
        return image                                 # a broken profile says nothing; the numbers are taken as sRGB
    return converted if converted is not None else image


def _eight_bits(values: NDArray[np.generic]) -> NDArray[np.uint8]:
    """Grey levels of unknown depth: floats up to 1, 8, 16 or more bits, told by the largest value."""
    values = np.nan_to_num(values.astype(np.float64))
    top = float(values.max(initial=0))
    scale = next((s for s in (1.0, 255.0, 65535.0) if top <= s), top)
    if scale == 1.0 and top == int(top) == values.sum():
        scale = 255.0
    return np.rint(np.clip(values / scale, 0, 1) * 255).astype(np.uint8)
