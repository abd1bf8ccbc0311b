"""`limner restore`: the faces of a picture or a clip made clear."""

import inspect
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from limner.engine.clock import MonotonicClock, seconds
from limner.engine.errors import OutputError, PortraitError, UsageError
from limner.engine.protocols import FrameStage
from limner.engine.types import Frame
from limner.models.picture import read_image
from limner.models.portrait import find_faces
from limner.models.restoration.live import RestorationStage

from . import loader
from .clip import RATES, check_paths, describe, film
from .options import is_clip
from .quality import Steadiness
from .render import write_report

PICTURES = (".png", ".jpg", ".jpeg", ".webp")


def run(source: Path, out: Path, *, model: str = "sharpen", weights: Path | None = None, device: str = "auto",
        fidelity: float | None = None, report: Path | None = None, quiet: bool = False) -> int:
    """Restore every face of a picture, or the largest of each frame of a clip, into `out`. Returns 0.

    `fidelity` 0..1 is CodeFormer's: how near to the input.

    Raises UsageError, InputError, WeightsError, OutputError; then `out` is as it was before.
    """
    moving = is_clip(source)
    if moving:
        check_paths(source, out)
    elif out.suffix.lower() not in PICTURES:
        raise UsageError(f"-o {out}: expected a picture's name ({', '.join(PICTURES)}) for a picture")
    create = loader.load("restorers", model).create
    if fidelity is not None and "fidelity" not in inspect.signature(create).parameters:
        raise UsageError(f"--fidelity: {model} has no such setting; it is codeformer's")
    stage = create(weights=weights, device=device, **({} if fidelity is None else {"fidelity": fidelity}))
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
    done = f"{numbers['restored']} of {numbers['pictures']} {'picture' if numbers['pictures'] == 1 else 'pictures'} restored"
    if "still_change_after" not in numbers:
        return done
    return f"{done} (still parts change by {numbers['still_change_after']:.2f} levels a frame, {numbers['still_change_before']:.2f} before)"


def restore_clip(source: Path, out: Path, stage: FrameStage, quiet: bool) -> dict:
    """Every frame, at the clip's own rate."""
    clip = describe(source)
    if isinstance(stage, RestorationStage):
        stage.every = 1                          # nothing is live: look for the face in every frame
    fps = min(RATES, key=lambda rate: abs(rate - clip.rate))
    watched = Watched(stage)
    pictures = film(clip, watched, out, fps=fps, what="restoring", quiet=quiet)
    restored = getattr(stage, "restored", pictures)
    if not restored:
        print(f"{source}: no face in any of {pictures} pictures; they were copied as they are", file=sys.stderr)
    return {"pictures": pictures, "restored": restored, "height": clip.size[0], "width": clip.size[1],
            "still_change_before": round(watched.steadiness.before, 3), "still_change_after": round(watched.steadiness.after, 3)}


class Watched:
    """A restorer whose frames are compared with what they were."""

    delay = 0

    def __init__(self, stage: FrameStage):
        self._stage, self.steadiness = stage, Steadiness()

    def push(self, frame: Frame) -> Sequence[Frame]:
        out = self._stage.push(frame)
        self.steadiness.see(frame.pixels, np.asarray(out[0].pixels))
        return out

    def flush(self) -> Sequence[Frame]:
        return self._stage.flush()


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
