"""The same question asked of the finished picture: film a real person's still with their own voice, and measure the film.

The still is the clip's most closed mouth in its first two seconds; the film is drawn by the embedded face without idle
motion, encoded as H.264, decoded, and its lips are found by the same landmark network as the real ones.
"""

import tempfile
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from limner.engine.offline import film
from limner.engine.types import AudioChunk, Picture
from limner.models.animators.morphable import MorphableAnimator
from limner.models.drivers.speech import SpeechDriver
from limner.models.face.colour import to_picture
from limner.models.portrait import make_avatar
from limner.streams.mp4 import Mp4Writer

from .face_clips import Clip, Mouth, read_mouth

FIRST = 2.0                        # s in which the still is chosen
SIZE, FPS, RATE = 512, 25, 16_000


def still(path: Path, mouth: Mouth) -> NDArray[np.uint8]:
    """u8 RGB of the picture whose lips are closest in the first seconds."""
    early = mouth.times <= mouth.times[0] + FIRST
    wanted = float(mouth.times[early][mouth.opening[early].argmin()])
    with av.open(str(path)) as container:
        frames = container.decode(video=0)
        return next(f.to_ndarray(format="rgb24") for f in frames if float(f.time) >= wanted - 1e-3)


def filmed(path: Path, clip: Clip, sound: NDArray[np.float32], driver: SpeechDriver) -> Mouth:
    """The lips of the film that `sound` makes of the clip's still."""
    animator = MorphableAnimator(size=SIZE, fps=FPS, liveliness=0.0)
    animator.sit_avatar(make_avatar(still(path, clip.mouth), size=SIZE, force=True))
    driver.reset()
    chunk = AudioChunk(sound, RATE, 0, 0, 0)
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "film.mp4"
        writer = Mp4Writer(out, size=(SIZE, SIZE), fps=FPS, origin=0)
        for item in film([chunk], driver, animator, fps=FPS, colour=to_picture):
            writer.show(item) if isinstance(item, Picture) else writer.play(item)
        writer.close()
        return read_mouth(out)
