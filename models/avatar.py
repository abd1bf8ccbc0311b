"""Avatar packs: one measured portrait in one safe file.

An `.avatar` is a zip with exactly these members: `manifest.json` (format version, name, licence, consent note, how the
portrait was made, SHA-256 of the contents), `portrait.png`, `background.png` (the same view with the person painted
away), `mask.png` (the person, 8 bit) and `geometry.npz` (`landmarks` f32 [478, 3] px). Reading one runs no code and
allocates nothing before the stated sizes are checked.
"""

import hashlib
import io
import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from limner.engine.errors import InputError, TooLarge
from limner.engine.types import Portrait

FORMAT, VERSION = "limner-avatar", 1
SUFFIX = ".avatar"
DEFAULT = "astronaut"
LANDMARKS = (478, 3)
MIN_SIDE, MAX_SIDE = 128, 1024       # px of the square portrait
MAX_PACK = 24 * 2**20                # bytes of the file
# Largest unpacked size of each member, bytes. PNGs may be stored badly but never above raw pixels plus headers.
_LIMITS = {
    "manifest.json": 64 * 2**10,
    "portrait.png": 4 * MAX_SIDE**2,
    "background.png": 4 * MAX_SIDE**2,
    "mask.png": 2 * MAX_SIDE**2,
    "geometry.npz": 64 * 2**10,
}
_DATA = Path(__file__).parent / "data"
_EPOCH = (1980, 1, 1, 0, 0, 0)       # same contents, same bytes


@dataclass(frozen=True, slots=True)
class Avatar:
    """A portrait ready to be animated.

    `portrait.image` is u8 RGB [S, S, 3], upright head and shoulders; its landmarks are in its own pixels, `to_crop` is
    the identity, `mask` is the person. `background` u8 RGB [S, S, 3] is the view behind the person. `sha256` covers
    everything but `meta`. `meta` is JSON-able: `notes` (list of sentences for the user), `yaw_degrees`, and so on.
    """

    name: str
    portrait: Portrait
    background: NDArray[np.uint8]
    licence: str
    consent: str
    sha256: str
    meta: dict[str, Any]


def seal(name: str, portrait: Portrait, background: NDArray[np.uint8], *, licence: str = "", consent: str = "",
         meta: dict[str, Any] | None = None) -> Avatar:
    """An Avatar with its hash; the mask is rounded to 8 bits so that saving and loading give the same avatar."""
    mask = np.rint(np.clip(portrait.mask, 0, 1) * 255).astype(np.uint8)
    portrait = Portrait(portrait.image, portrait.landmarks.astype(np.float32), portrait.to_crop,
                        mask.astype(np.float32) / 255)
    digest = _digest(name, licence, consent, portrait.image, background, mask, portrait.landmarks)
    return Avatar(name, portrait, background, licence, consent, digest, dict(meta or {}))


def bundled_avatars() -> list[str]:
    """Names of the packs that ship with limner, the default first."""
    names = sorted(path.stem for path in _DATA.glob("*" + SUFFIX))
    return sorted(names, key=lambda name: name != DEFAULT)


def default_avatar() -> Avatar:
    """The pack used when no portrait is given."""
    return load_avatar(DEFAULT)


def save_avatar(avatar: Avatar, path: str | Path) -> None:
    """Write the pack, whole or not at all; the same avatar gives the same bytes. Raises InputError when it cannot."""
    path = Path(path)
    manifest = {"format": FORMAT, "version": VERSION, "name": avatar.name, "licence": avatar.licence,
                "consent": avatar.consent, "size": int(avatar.portrait.image.shape[0]), "sha256": avatar.sha256,
                "meta": avatar.meta}
    mask = np.rint(avatar.portrait.mask * 255).astype(np.uint8)
    geometry = io.BytesIO()
    np.savez(geometry, landmarks=avatar.portrait.landmarks)
    members = {
        "manifest.json": json.dumps(manifest, indent=1, sort_keys=True).encode(),
        "portrait.png": _to_png(avatar.portrait.image),
        "background.png": _to_png(avatar.background),
        "mask.png": _to_png(mask),
        "geometry.npz": geometry.getvalue(),
    }
    part = path.with_name(path.name + ".part")
    try:
        with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in members.items():
                archive.writestr(zipfile.ZipInfo(name, _EPOCH), data, zipfile.ZIP_DEFLATED)
        part.replace(path)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror or error}; choose a folder that exists and can be "
                         f"written") from None


def load_avatar(source: str | Path | bytes) -> Avatar:
    """Read a pack from a file, from its bytes, or by the name of a bundled one.

    Raises InputError in one line when it is missing, damaged, altered or no pack at all; TooLarge over the limits.
    """
    if isinstance(source, bytes):
        return _parse(source, "the uploaded pack")
    path = _DATA / f"{source}{SUFFIX}" if str(source) in bundled_avatars() else Path(source)
    try:
        size = path.stat().st_size
        if size > MAX_PACK:
            raise TooLarge(f"{path.name} has {size / 2**20:.0f} MB; an avatar pack has at most {MAX_PACK // 2**20} MB")
        data = path.read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"cannot read the avatar {str(source)[:200]!r}: {reason}; give an {SUFFIX} file or one of the "
                         f"bundled ones: {', '.join(bundled_avatars())}") from None
    return _parse(data, path.name)


def _parse(data: bytes, what: str) -> Avatar:
    if len(data) > MAX_PACK:
        raise TooLarge(f"{what} has {len(data) / 2**20:.0f} MB; an avatar pack has at most {MAX_PACK // 2**20} MB")
    try:
        members = _unzip(data)
        manifest = _manifest(members["manifest.json"])
        side = manifest["size"]
        image = _from_png(members["portrait.png"], "RGB", side)
        background = _from_png(members["background.png"], "RGB", side)
        mask = _from_png(members["mask.png"], "L", side)
        landmarks = _from_npz(members["geometry.npz"])
    except _Damaged as error:
        raise InputError(f"{what} is not a usable avatar pack: {error}; make a new one with 'limner rig PORTRAIT -o "
                         f"NAME.avatar'") from None
    texts = manifest["name"], manifest["licence"], manifest["consent"]
    if _digest(*texts, image, background, mask, landmarks) != manifest["sha256"]:
        raise InputError(f"{what} was altered or damaged: its contents do not have the SHA-256 in its manifest; get it "
                         f"again, or make it anew with 'limner rig'")
    identity = np.float32([[1, 0, 0], [0, 1, 0]])
    portrait = Portrait(image, landmarks, identity, mask.astype(np.float32) / 255)
    return Avatar(texts[0], portrait, background, *texts[1:], manifest["sha256"], manifest["meta"])


class _Damaged(Exception):
    """What is wrong with a pack, as a clause."""


def _unzip(data: bytes) -> dict[str, bytes]:
    """The members, each read no further than its limit, whatever the zip's headers claim."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = archive.namelist()
            if sorted(names) != sorted(_LIMITS):
                raise _Damaged(f"it holds {len(names)} entries, expected exactly {', '.join(_LIMITS)}")
            return {name: _read_member(archive, name) for name in names}
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, ValueError, OSError, LookupError) as error:
        raise _Damaged(f"it is no readable zip ({str(error)[:80]})") from None
    except Exception as error:                       # zlib.error, lzma.LZMAError: the codecs have no common base
        if isinstance(error, _Damaged):
            raise
        raise _Damaged(f"its compressed data is broken ({str(error)[:80]})") from None


def _read_member(archive: zipfile.ZipFile, name: str) -> bytes:
    with archive.open(name) as stream:
        data = stream.read(_LIMITS[name] + 1)
    if len(data) > _LIMITS[name]:
        raise _Damaged(f"{name} unpacks to more than {_LIMITS[name]} bytes")
    return data


def _manifest(data: bytes) -> dict[str, Any]:
    try:
        manifest = json.loads(data)
    except (ValueError, RecursionError):
        raise _Damaged("manifest.json is not JSON") from None
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise _Damaged(f"manifest.json does not say format {FORMAT!r}")
    if manifest.get("version") != VERSION:
        raise _Damaged(f"it has format version {str(manifest.get('version'))[:20]}, this limner reads {VERSION}")
    kinds = {"name": str, "licence": str, "consent": str, "sha256": str, "size": int, "meta": dict}
    for key, kind in kinds.items():
        if type(manifest.get(key)) is not kind:
            raise _Damaged(f"manifest.json lacks {key!r} ({kind.__name__})")
    if not MIN_SIDE <= manifest["size"] <= MAX_SIDE:
        raise _Damaged(f"its portrait is {manifest['size']} px wide, expected {MIN_SIDE} to {MAX_SIDE}")
    return manifest


def _from_png(data: bytes, mode: str, side: int) -> NDArray[np.uint8]:
    try:
        with Image.open(io.BytesIO(data), formats=["PNG"]) as image:
            if image.size != (side, side) or image.mode != mode:      # before any pixel is decoded
                raise _Damaged(f"a picture is {image.size} {image.mode}, expected {(side, side)} {mode}")
            return np.array(image)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise _Damaged(f"a picture cannot be decoded ({str(error)[:80]})") from None


def _from_npz(data: bytes) -> NDArray[np.float32]:
    """The landmarks; the array's own header is checked before NumPy may allocate what it claims."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            info = archive.getinfo("landmarks.npy")
            if info.file_size > _LIMITS["geometry.npz"]:
                raise _Damaged("its landmarks are too large")
            with archive.open(info) as stream:
                if np.lib.format.read_magic(stream) != (1, 0):
                    raise _Damaged("its landmarks are in an unknown array format")
                shape, _, kind = np.lib.format.read_array_header_1_0(stream)
        if shape != LANDMARKS or kind != np.float32:
            raise _Damaged(f"its landmarks are {kind} {shape}, expected float32 {LANDMARKS}")
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            landmarks = np.ascontiguousarray(arrays["landmarks"])
    except (zipfile.BadZipFile, KeyError, ValueError, EOFError, OSError) as error:
        raise _Damaged(f"its landmarks cannot be read ({str(error)[:80]})") from None
    if not np.isfinite(landmarks).all():
        raise _Damaged("its landmarks hold NaN or infinity")
    return landmarks


def _to_png(pixels: NDArray[np.uint8]) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG", optimize=True)
    return out.getvalue()


def _digest(name: str, licence: str, consent: str, *arrays: NDArray[Any]) -> str:
    digest = hashlib.sha256(json.dumps([FORMAT, VERSION, name, licence, consent]).encode())
    for array in arrays:
        digest.update(f"{array.dtype.str}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
