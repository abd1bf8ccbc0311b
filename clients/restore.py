"""`limner restore`: the faces of a picture or a clip made clear."""

import sys
from pathlib import Path

import numpy as np
from limner.engine.clock import MonotonicClock, seconds
from limner.engine.errors import OutputError, PortraitError, UsageError
from limner.engine.protocols import FrameStage
from limner.engine.types import Frame
from limner.models.picture import read_image
from limner.models.portrait import find_faces
from limner.models.restoration.live import RestorationStage
from numpy.typing import NDArray
from PIL import Image

from . import loader
from .clip import RATES, check_paths, describe, film
from .options import is_clip
from .render import write_report

PICTURES = (".png", ".jpg", ".jpeg", ".webp")


def run(source: Path, out: Path, *, model: str = "sharpen", weights: Path | None = None, device: str = "auto",
        report: Path | None = None, quiet: bool = False) -> int:
    """Restore every face of a picture, or the largest of each frame of a clip, into `out`. Returns 0.

    Raises UsageError, InputError, WeightsError, OutputError; then `out` is as it was before.
    """
    moving = is_clip(source)
    if moving:
        check_paths(source, out)
    elif out.suffix.lower() not in PICTURES:
        raise UsageError(f"-o {out}: expected a picture's name ({', '.join(PICTURES)}) for a picture")
    stage = loader.load("restorers", model).create(weights=weights, device=device)
    clock = MonotonicClock()
    numbers = restore_clip(source, out, stage, quiet) if moving else restore_picture(source, out, stage)
    numbers["wall_s"] = seconds(clock.now())
    if not quiet:
        print(f"{out}: {told(numbers)} by {model} in {numbers['wall_s']:.1f} s", file=sys.stderr)
    if report:
        write_report(report, numbers)
    return 0


def told(numbers: dict) -> str:
    """What was done, in words."""
    if "faces" in numbers:
        return f"{numbers['faces']} {'face' if numbers['faces'] == 1 else 'faces'} restored"
    return f"{numbers['restored']} of {numbers['pictures']} {'picture' if numbers['pictures'] == 1 else 'pictures'} restored"


def restore_clip(source: Path, out: Path, stage: FrameStage, quiet: bool) -> dict:
    """Every frame, at the clip's own rate."""
    clip = describe(source)
    if isinstance(stage, RestorationStage):
        stage.every = 1                          # nothing is live: look for the face in every frame
    fps = min(RATES, key=lambda rate: abs(rate - clip.rate))
    pictures = film(clip, stage, out, fps=fps, what="restoring", quiet=quiet)
    restored = getattr(stage, "restored", pictures)
    if not restored:
        print(f"{source}: no face in any of {pictures} pictures; they were copied as they are", file=sys.stderr)
    return {"pictures": pictures, "restored": restored, "height": clip.size[0], "width": clip.size[1]}


def restore_picture(source: Path, out: Path, stage: FrameStage) -> dict:
    """Every face in turn, or the whole picture for a stage that needs no face. Raises PortraitError where there is none."""
    pixels = read_image(source)
    numbers = {"height": pixels.shape[0], "width": pixels.shape[1], "pictures": 1, "restored": 1}
    if isinstance(stage, RestorationStage):
        faces = find_faces(pixels)
        if not faces:
            raise PortraitError(f"{source}: no face found; expected one turned to the camera, or choose --model sharpen")
        for face in faces:
            stage.flush()
            stage.seat(face.landmarks, pixels.shape[:2])
            pixels = _push(stage, pixels)
        numbers["faces"] = len(faces)
    else:
        pixels = _push(stage, pixels)
    save(pixels, out)
    return numbers


def _push(stage: FrameStage, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.asarray(stage.push(Frame(pixels, 0, 0, 0))[0].pixels)


def save(pixels: NDArray[np.uint8], out: Path) -> None:
    """Write a picture under its final name only when whole. Raises UsageError, OutputError."""
    if out.is_dir():
        raise UsageError(f"-o {out}: is a folder; expected the name of a picture to write")
    part = out.with_name(f"{out.stem}.part{out.suffix}")
    try:
        Image.fromarray(pixels).save(part, quality=95)
        part.replace(out)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise OutputError(f"{out}: cannot be written ({error.strerror or error}); choose another place") from error
