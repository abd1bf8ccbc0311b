"""Make the avatar packs that ship with limner: `python -m limner.models.training.make_avatars [NAME ...]`."""

import dataclasses
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from limner.models.avatar import SUFFIX, Avatar, save_avatar, seal
from limner.models.landmarks import resample
from limner.models.matte import paint_background
from limner.models.portrait import make_avatar

from . import draw_portrait

# The suit's neck ring, whose far rim the segmentation network takes for background; px of skimage.data.astronaut.
RING = ((184.8, 148.7), (174.7, 148.1), (170.1, 148.1), (160.8, 149.3), (151.5, 151.1), (146.8, 152.7), (142.1, 154.9),
        (137.3, 158.6), (132.5, 162.7), (129.5, 165.6), (127.6, 168.2), (126.0, 171.6), (124.4, 174.7), (122.4, 178.3),
        (120.9, 180.5), (118.9, 183.2), (117.9, 185.4), (114.6, 185.7), (113.1, 189.3), (114.1, 194.9), (112.9, 200.4),
        (120.9, 206.8), (140.4, 187.1), (184.1, 161.8))
DATA = Path(__file__).parent.parent / "data"
_DRAWN = ("Apache-2.0: an original illustration drawn by limner's own program (models/training/draw_portrait.py).",
          "An invented person; any likeness to someone living or dead is chance.")


def astronaut() -> Avatar:
    """NASA's portrait of Eileen Collins, as scikit-image carries it."""
    from skimage import data

    made = make_avatar(data.astronaut(), size=512, name="astronaut")
    portrait = made.portrait
    whole = dataclasses.replace(portrait, mask=np.maximum(portrait.mask, _ring(np.float32(made.meta["source_to_crop"]))))
    return seal(
        "astronaut", whole, paint_background(portrait.image, whole.mask), meta=made.meta,
        licence="Public domain: NASA photograph, as distributed in scikit-image (skimage.data.astronaut).",
        consent="Official NASA portrait, published for public use. NASA's media guidelines apply: it must not be used "
                "to suggest that NASA or the person shown endorses anything.")


def _ring(to_crop: NDArray[np.float32]) -> NDArray[np.float32]:
    """The ring's shape f32 [512, 512] in [0, 1], `to_crop` [2, 3] from the photograph's px."""
    outline = np.float32(RING) @ to_crop[:, :2].T + to_crop[:, 2]
    shape = np.zeros((512, 512), np.uint8)
    cv2.fillPoly(shape, [np.rint(outline * 16).astype(np.int32)], 255, cv2.LINE_AA, shift=4)
    return cv2.GaussianBlur(shape.astype(np.float32) / 255, (0, 0), 0.7)


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
