"""Make the avatar packs that ship with limner: `python -m limner.models.training.make_avatars [NAME ...]`."""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from limner.models.avatar import SUFFIX, Avatar, save_avatar, seal
from limner.models.landmarks import resample
from limner.models.portrait import make_avatar

from . import draw_portrait

DATA = Path(__file__).parent.parent / "data"
_DRAWN = ("Apache-2.0: an original illustration drawn by limner's own program (models/training/draw_portrait.py).",
          "An invented person; any likeness to someone living or dead is chance.")


def astronaut() -> Avatar:
    """NASA's portrait of Eileen Collins, as scikit-image carries it."""
    from skimage import data

    return make_avatar(
        data.astronaut(), size=512, name="astronaut",
        licence="Public domain: NASA photograph, as distributed in scikit-image (skimage.data.astronaut).",
        consent="Official NASA portrait, published for public use. NASA's media guidelines apply: it must not be used "
                "to suggest that NASA or the person shown endorses anything.")


def drawn(name: str) -> Avatar:
    """An illustrated avatar, with its own matte and the wall it was painted on as background."""
    side = 768
    picture, wall = getattr(draw_portrait, name)(), draw_portrait.wall(getattr(draw_portrait, f"{name.upper()}_WALL"))
    made = make_avatar(picture, size=side, name=name)
    background = resample(wall, np.float32(made.meta["source_to_crop"]), (side, side))
    return seal(name, made.portrait, background, licence=_DRAWN[0], consent=_DRAWN[1], meta=made.meta)


MAKERS: dict[str, Callable[[], Avatar]] = {
    "astronaut": astronaut,
    "iris": lambda: drawn("iris"),
    "otto": lambda: drawn("otto"),
}


def main(names: list[str]) -> None:
    for name in names or MAKERS:
        save_avatar(MAKERS[name](), DATA / f"{name}{SUFFIX}")


if __name__ == "__main__":
    main(sys.argv[1:])
