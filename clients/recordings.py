"""Where recordings go that others ask for: into one folder of the operator's, under names made here."""

import os
import secrets
import time
from pathlib import Path

from limner.engine.errors import UsageError
from limner.streams.sinks.recorder import Recorder


def checked(folder: Path | None) -> Path | None:
    """`folder` as a full path. Raises UsageError unless it is a folder that may be written to."""
    if folder is None:
        return None
    if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        raise UsageError(f"--recordings {folder}: expected a folder that exists and may be written to")
    return folder.resolve()


def new(folder: Path, *, size: tuple[int, int], fps: int) -> tuple[str, Recorder]:
    """A name that no file there has, and the recorder, not yet opened, of pictures of `size` (H, W)."""
    name = f"limner-{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(4)}.mp4"
    return name, Recorder(folder / name, size=size, fps=fps)
