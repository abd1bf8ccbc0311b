"""Make the avatar packs that ship with limner: `python -m limner.models.training.make_avatars`."""

from pathlib import Path

import numpy as np
from limner.models.avatar import SUFFIX, save_avatar
from limner.models.portrait import make_avatar
from numpy.typing import NDArray

DATA = Path(__file__).parent.parent / "data"
SIZE = 512


def astronaut() -> NDArray[np.uint8]:
    """NASA's portrait of Eileen Collins, as scikit-image carries it."""
    from skimage import data

    return data.astronaut()


def main() -> None:
    avatar = make_avatar(
        astronaut(), size=SIZE, name="astronaut",
        licence="Public domain: NASA photograph, as distributed in scikit-image (skimage.data.astronaut).",
        consent="Official NASA portrait, published for public use. NASA's media guidelines apply: it must not be used "
                "to suggest that NASA or the person shown endorses anything.",
    )
    save_avatar(avatar, DATA / f"astronaut{SUFFIX}")


if __name__ == "__main__":
    main()
