"""`limner rig`: measure a portrait once, judge it on a contact sheet, keep it as an `.avatar` pack."""

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from limner.engine.errors import UsageError
from limner.engine.types import ARKIT_INDEX, Expression
from limner.models.avatar import SUFFIX, Avatar, save_avatar
from limner.models.backdrop import Backdrop
from limner.models.portrait import make_avatar, read_image
from numpy.typing import NDArray
from rich.console import Console

# Each pose of the sheet: its caption, ARKit weights, head turn in radians (nod, turn to the person's left).
_POSES: tuple[tuple[str, dict[str, float], tuple[float, float]], ...] = (
    ("rest", {}, (0, 0)),
    ("AH  father", {"jawOpen": 0.75, "mouthLowerDownLeft": 0.3, "mouthLowerDownRight": 0.3}, (0, 0)),
    ("EH  bed", {"jawOpen": 0.4, "mouthStretchLeft": 0.4, "mouthStretchRight": 0.4, "mouthUpperUpLeft": 0.25,
                 "mouthUpperUpRight": 0.25}, (0, 0)),
    ("EE  see", {"jawOpen": 0.15, "mouthSmileLeft": 0.45, "mouthSmileRight": 0.45, "mouthStretchLeft": 0.4,
                 "mouthStretchRight": 0.4, "mouthUpperUpLeft": 0.2, "mouthUpperUpRight": 0.2}, (0, 0)),
    ("OH  go", {"jawOpen": 0.4, "mouthFunnel": 0.7, "mouthPucker": 0.3}, (0, 0)),
    ("OO  blue", {"jawOpen": 0.15, "mouthPucker": 0.9, "mouthFunnel": 0.3}, (0, 0)),
    ("M B P", {"mouthPressLeft": 0.4, "mouthPressRight": 0.4, "mouthRollLower": 0.25, "mouthRollUpper": 0.25,
               "mouthClose": 0.1}, (0, 0)),
    ("F V", {"jawOpen": 0.1, "mouthRollLower": 0.6, "mouthUpperUpLeft": 0.35, "mouthUpperUpRight": 0.35}, (0, 0)),
    ("S Z", {"jawOpen": 0.06, "mouthStretchLeft": 0.3, "mouthStretchRight": 0.3, "mouthUpperUpLeft": 0.3,
             "mouthUpperUpRight": 0.3, "mouthLowerDownLeft": 0.35, "mouthLowerDownRight": 0.35}, (0, 0)),
    ("blink", {"eyeBlinkLeft": 1.0, "eyeBlinkRight": 1.0}, (0, 0)),
    ("gaze to own left", {"eyeLookOutLeft": 0.8, "eyeLookInRight": 0.8}, (0, 0)),
    ("smile, brows up", {"mouthSmileLeft": 0.7, "mouthSmileRight": 0.7, "browInnerUp": 0.7, "browOuterUpLeft": 0.5,
                         "browOuterUpRight": 0.5, "cheekSquintLeft": 0.4, "cheekSquintRight": 0.4}, (0, 0)),
    ("turn to own left", {}, (0, 0.14)),
    ("turn to own right", {}, (0, -0.14)),
)
_COLUMNS, _CELL, _CAPTION = 4, 320, 26                   # sheet: cells per row, px, px
_PAPER, _INK, _NEW_BACKGROUND = (244, 244, 242), (40, 40, 40), (38, 92, 84)      # RGB


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
        _write(preview, contact_sheet(avatar))
    if not quiet:
        _report(avatar, out, preview)
    return 0


def contact_sheet(avatar: Avatar) -> NDArray[np.uint8]:
    """u8 RGB [H, W, 3]: the portrait at rest, speaking, blinking, looking, turning, and before another background."""
    cells = [_cell(picture, caption) for caption, picture in _pictures(avatar)]
    cells += [np.full_like(cells[0], _PAPER)] * (-len(cells) % _COLUMNS)
    return np.vstack([np.hstack(cells[i:i + _COLUMNS]) for i in range(0, len(cells), _COLUMNS)])


def _pictures(avatar: Avatar) -> Iterator[tuple[str, NDArray[np.uint8]]]:
    from limner.models.animators.morphable import MorphableAnimator

    yield "portrait", avatar.portrait.image
    animator = MorphableAnimator(size=avatar.portrait.image.shape[0])
    animator.sit_avatar(avatar)
    for caption, weights, turn in _POSES:
        yield caption, animator.draw_expression(_expression(weights, turn)).copy()
    yield "other background", Backdrop("colour", _NEW_BACKGROUND).replace(avatar).portrait.image


def _expression(weights: dict[str, float], turn: tuple[float, float]) -> Expression:
    face = Expression.neutral()
    for name, weight in weights.items():
        face.weights[ARKIT_INDEX[name]] = weight
    face.pose[:2] = turn
    return face


def _cell(picture: NDArray[np.uint8], caption: str) -> NDArray[np.uint8]:
    cell = np.full((_CELL + _CAPTION, _CELL, 3), _PAPER, np.uint8)
    cell[:_CELL] = cv2.resize(picture, (_CELL, _CELL), interpolation=cv2.INTER_AREA)
    cv2.putText(cell, caption, (8, _CELL + 18), cv2.FONT_HERSHEY_SIMPLEX, 0.5, _INK, 1, cv2.LINE_AA)
    return cell


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
