"""`limner rig`: measure a portrait once, judge it on a contact sheet, keep it as an `.avatar` pack."""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from limner.engine.errors import UsageError
from limner.models.avatar import SUFFIX, Avatar, save_avatar
from limner.models.portrait import make_avatar, read_image


def run(portrait: Path, out: Path, *, face: int | None = None, force: bool = False, landmarks: Path | None = None,
        size: int = 512, preview: Path | None = None, name: str | None = None, licence: str = "",
        consent: str = "", quiet: bool = False) -> int:
    """Make `out` from the picture `portrait`; with `preview` also a contact sheet of the face in motion.

    Notes for the user go to stderr. Returns 0; raises the errors of `make_avatar`, and UsageError for a bad name.
    """
    if out.suffix != SUFFIX:
        raise UsageError(f"-o {out}: an avatar pack is called SOMETHING{SUFFIX}")
    if preview is not None and preview.suffix.lower() not in (".png", ".jpg", ".jpeg", ".webp"):
        raise UsageError(f"--preview {preview}: a contact sheet is a .png, .jpg or .webp picture")
    image = read_image(portrait, alpha=True)
    points = None
    if landmarks is not None:
        from limner.models.landmarkfile import read_landmarks

        points = read_landmarks(landmarks, image.shape[:2])
    avatar = make_avatar(image, size=size, face=face, force=force, landmarks=points, name=name or portrait.stem,
                         licence=licence, consent=consent)
    save_avatar(avatar, out)
    if preview is not None:
        from limner.models.face.sheet import avatar_sheet

        _write(preview, avatar_sheet(avatar))
    if not quiet:
        _report(avatar, out, preview)
    return 0


def _write(path: Path, picture: NDArray[np.uint8]) -> None:
    done, data = cv2.imencode(path.suffix, picture[..., ::-1])
    try:
        path.write_bytes(data.tobytes() if done else b"")
    except OSError as error:
        raise UsageError(f"--preview {path}: cannot be written ({error.strerror or error})") from None


def _report(avatar: Avatar, out: Path, preview: Path | None) -> None:
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    for note in avatar.meta["notes"]:
        console.print(f"note: {note}", style="yellow", markup=False)
    side = avatar.portrait.image.shape[0]
    line = f"{out}: {avatar.name}, {side} x {side}, {out.stat().st_size / 1e6:.1f} MB"
    console.print(line if preview is None else f"{line}; contact sheet in {preview}", markup=False)
