"""Draw the pictures of docs/face.md: `python -m limner.models.training.make_docs [FOLDER]`. Speech is flite's."""

import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from limner.engine.errors import InputError
from limner.engine.offline import film
from limner.engine.types import AudioChunk, Picture
from limner.models.animators.morphable import MorphableAnimator
from limner.models.avatar import bundled_avatars, load_avatar
from limner.models.drivers.speech import SpeechDriver
from limner.models.face.colour import to_picture
from limner.models.face.sheet import avatar_sheet

from .speech_corpus import flite

RATE, SECONDS, FPS, EVERY, SIDE = 16_000, 5.6, 25, 2, 272        # every second picture is kept
# Avatar, flite's voice and pitch in Hz, when they begin in s, what they say.
SPEAKERS = (("astronaut", "slt", 175, 0.3, "Hello. I follow a voice, sound by sound, while it is spoken."),
            ("iris", "slt", 205, 0.8, "Vowels open my lips or round them; p, b and m close them."),
            ("otto", "rms", 100, 0.6, "Nothing was downloaded to make my moustache move this well."))


def voice(name: str, pitch: float, begin: float, text: str) -> NDArray[np.float32]:
    """f32 [SECONDS * RATE] of one speaker, silent before `begin` s.

    Raises:
        InputError: the sentence does not fit.
    """
    spoken = flite(text, name, pitch, 1.0)
    out, start = np.zeros(int(SECONDS * RATE), np.float32), int(begin * RATE)
    if spoken is None or start + len(spoken.audio) > len(out):
        raise InputError(f"flite's {name} cannot say {text!r} in {SECONDS - begin:.1f} s; shorten it")
    out[start:start + len(spoken.audio)] = spoken.audio
    return out


def pictures(avatar: str, sound: NDArray[np.float32], seed: int) -> Iterator[NDArray[np.uint8]]:
    """Every EVERY-th picture, u8 RGB [SIDE, SIDE, 3], of a face that says `sound`."""
    animator = MorphableAnimator(512, FPS, seed)
    animator.sit_avatar(load_avatar(avatar))
    shown = film([AudioChunk(sound, RATE, 0, 0, 0)], SpeechDriver(), animator, fps=FPS, colour=to_picture)
    for i, picture in enumerate(item for item in shown if isinstance(item, Picture)):
        if i % EVERY == 0:
            rgb = cv2.cvtColor(picture.planes, cv2.COLOR_YUV2RGB_I420)
            yield cv2.resize(rgb, (SIDE, SIDE), interpolation=cv2.INTER_AREA)


def talking(out: Path) -> None:
    """An endless WebP film of all speakers side by side."""
    films = [pictures(avatar, voice(*said), seed) for seed, (avatar, *said) in enumerate(SPEAKERS)]
    frames = [Image.fromarray(np.hstack(row)) for row in zip(*films, strict=True)]
    frames[0].save(out, save_all=True, append_images=frames[1:], duration=1000 * EVERY // FPS, loop=0, quality=62, method=4)


def main(folder: Path) -> None:
    for name in bundled_avatars():
        Image.fromarray(avatar_sheet(load_avatar(name))).save(folder / f"face-{name}.jpg", quality=82, optimize=True)
    talking(folder / "talking.webp")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "docs"))
