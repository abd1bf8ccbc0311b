"""What is seen behind the person: their own background, a colour, a picture, a blur, or nothing at all."""

import dataclasses
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import ImageColor

from limner.engine.errors import PortraitError, TooLarge, UsageError

from .avatar import MAX_SIDE, Avatar
from .face.layers import separate, spread_colour
from .face.renderer import fit_layer
from .picture import read_image

Kind = Literal["keep", "colour", "picture", "blur", "transparent"]
BLUR, MOST_BLUR = 14.0, 64.0         # px in a picture 512 px wide
EDGE = 1 / 170                       # of the picture's width: how deep a matte's edge may be wrong
GAMMA = 2.2                          # of the display; light adds up in linear intensities only
EXPECTED = "keep, a colour (#00b140, green), blur or blur:PIXELS, transparent, or a picture file"


@dataclass(frozen=True, slots=True)
class Backdrop:
    """What `parse` understood. `radius` is px of a 512 px picture; `picture` u8 RGB [H, W, 3]."""

    kind: Kind = "keep"
    colour: tuple[int, int, int] = (0, 0, 0)
    radius: float = BLUR
    picture: NDArray[np.uint8] | None = None

    def behind(self, avatar: Avatar, side: int) -> NDArray[np.uint8] | None:
        """The view behind the person, u8 RGB [side, side, 3]; None where it stays the portrait's own or is left out."""
        if self.kind in ("keep", "transparent"):
            return None
        if self.kind == "blur":
            return blur(fit_layer(avatar.background, side), self.radius * side / 512)
        if self.picture is not None:
            return cover(self.picture, side)
        return np.full((side, side, 3), self.colour, np.uint8)

    def replace(self, avatar: Avatar) -> Avatar:
        """The avatar as if photographed before this backdrop, for animators that redraw whole pictures.

        What is seen is a F + (1 - a) B; solving F and exchanging B leaves no rim of the old background in the hair.
        Raises UsageError for `transparent`.
        """
        if self.kind == "transparent":
            raise UsageError("--background transparent: only the morphable animator draws the person's opacity; choose "
                             "a colour, or --animator morphable")
        new = self.behind(avatar, avatar.portrait.image.shape[0])
        if new is None:
            return avatar
        portrait = cut_out(avatar).portrait
        person, _ = separate(portrait.image, portrait.mask, avatar.background, np.zeros_like(portrait.mask))
        opacity = person[..., 3:].astype(np.float32) / 255
        image = np.rint(person[..., :3] * opacity + new * (1 - opacity)).astype(np.uint8)
        return dataclasses.replace(avatar, portrait=dataclasses.replace(portrait, image=image), background=new)


def parse(text: str, *, files: bool = True) -> Backdrop:
    """`keep`, a CSS colour, `blur[:PIXELS]`, `transparent` or, with `files`, a picture's path.

    Raises UsageError for anything else and for a picture that cannot be read. A file called like a colour is meant by
    `./green`.
    """
    name, _, amount = text.partition(":")
    if text in ("keep", "transparent"):
        return Backdrop(text)
    if name == "blur":
        return Backdrop("blur", radius=_radius(amount) if amount else BLUR)
    if (colour := _colour(text)) is not None:
        return Backdrop("colour", colour)
    if not files:
        raise UsageError(f"background {text[:80]!r}: expected {EXPECTED.replace(', or a picture file', '')}")
    return Backdrop("picture", picture=_read(Path(text)))


def _colour(text: str) -> tuple[int, int, int] | None:
    """What CSS means by it; parts beyond 255 or 100 % count as full, as there. None for no colour."""
    try:
        red, green, blue = (min(part, 255) for part in ImageColor.getrgb(text[:100])[:3])
    except ValueError:
        return None
    return red, green, blue


def _radius(amount: str) -> float:
    try:
        radius = float(amount)
    except ValueError:
        radius = 0.0
    if not 1 <= radius <= MOST_BLUR:
        raise UsageError(f"background blur:{amount[:20]}: expected 1 to {MOST_BLUR:.0f} pixels of a picture 512 pixels wide")
    return radius


@lru_cache(maxsize=4)
def _read(path: Path) -> NDArray[np.uint8]:
    """A picture, no larger than any avatar needs. The same few serve every session of a server."""
    try:
        found = path.is_file()
    except OSError:                      # a name longer than any file's
        found = False
    if not found:
        raise UsageError(f"background {str(path)[:200]!r}: neither a colour nor a picture file that is there; expected {EXPECTED}")
    try:
        return cover(read_image(path), MAX_SIDE)
    except TooLarge as error:
        raise TooLarge(f"background: {error}") from None
    except PortraitError as error:
        raise UsageError(f"background: {error}") from None


def cover(picture: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """The largest middle square of a picture u8 RGB [H, W, 3], resampled to `side` px."""
    height, width = picture.shape[:2]
    least = min(height, width)
    top, left = (height - least) // 2, (width - least) // 2
    return np.ascontiguousarray(fit_layer(picture[top:top + least, left:left + least], side))


def blur(picture: NDArray[np.uint8], radius: float) -> NDArray[np.uint8]:
    """Out of focus, as a lens does it: each point becomes an even disc of `radius` px, in linear light."""
    reach = int(np.ceil(radius))
    y, x = np.mgrid[-reach:reach + 1, -reach:reach + 1]
    disc = np.clip(radius + 0.5 - np.hypot(x, y), 0, 1).astype(np.float32)
    light = (picture.astype(np.float32) / 255) ** GAMMA
    spread = cv2.filter2D(light, -1, disc / disc.sum(), borderType=cv2.BORDER_REFLECT)
    return np.rint(np.clip(spread, 0, 1) ** (1 / GAMMA) * 255).astype(np.uint8)


def cut_out(avatar: Avatar) -> Avatar:
    """The avatar with a matte fit to stand before something else (see `tighten`)."""
    portrait = avatar.portrait
    mask = tighten(portrait.image, portrait.mask, avatar.background)
    return dataclasses.replace(avatar, portrait=dataclasses.replace(portrait, mask=mask))


def tighten(image: NDArray[np.uint8], mask: NDArray[np.float32], background: NDArray[np.uint8]) -> NDArray[np.float32]:
    """A matte f32 [H, W] that counts no pixel at the edge as more of the person than its colour is.

    Before its own background a matte a pixel too wide is not seen; before another it is a rim of the old one. Where
    the colour I lies on the line between the person's F, carried out from further inside, and the background B, its
    place there, ((I - B).(F - B)) / |F - B|^2, is the opacity (Levin et al. 2008, doi:10.1109/TPAMI.2007.1177).
    """
    whole, back = image.astype(np.float32), background.astype(np.float32)
    reach = max(2.0, len(image) * EDGE)
    inside = np.pad((mask > 0.5).astype(np.uint8), 1, mode="edge")       # the picture's border is no edge
    depth = cv2.distanceTransform(inside, cv2.DIST_L2, 5)[1:-1, 1:-1]
    line = spread_colour(whole, depth > 1.5 * reach) - back
    length = (line**2).sum(-1)
    place = ((whole - back) * line).sum(-1) / np.maximum(length, 1)
    beside = np.abs(whole - back - np.clip(place, 0, 1)[..., None] * line).max(-1)
    near = np.clip(2 - 2 * depth / reach, 0, 1)
    trust = near * np.clip((np.sqrt(length) - 40) / 40, 0, 1) * np.clip((45 - beside) / 20, 0, 1)
    return (mask * (1 - trust * (1 - np.clip((place - 0.05) / 0.85, 0, 1)))).astype(np.float32)
