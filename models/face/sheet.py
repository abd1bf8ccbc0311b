"""A contact sheet to judge a face by: mouths of speech, lids and gaze, brows, head turns, another background."""

from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from limner.engine.types import ARKIT_INDEX, POSE_SIZE, Expression
from limner.models.animators.morphable import MorphableAnimator
from limner.models.avatar import Avatar
from limner.models.mouth import viseme_table
from limner.models.phones import CLASS_INDEX

CELL, CAPTION, COLUMNS = 256, 22, 6      # px, px, cells per row
PAPER, INK = (244, 244, 242), (40, 40, 40)
ELSEWHERE = (38, 92, 84)                 # a backdrop unlike any portrait's own
TURN, NOD, TILT = np.radians(8), np.radians(6), np.radians(6)
# Caption, then the class of sound whose mouth is shown.
MOUTHS = (("m b p", "PP"), ("f v", "FF"), ("th", "TH"), ("t d", "DD"), ("k g", "kk"), ("sh ch", "CH"), ("s z", "SS"),
          ("n l", "nn"), ("r", "RR"), ("ah  father", "aa"), ("eh  bed", "E"), ("ih  bit", "ih"), ("oh  go", "oh"),
          ("oo  blue", "ou"))
LOOKS: tuple[tuple[str, dict[str, float]], ...] = (
    ("lids half shut", {"eyeBlink": 0.5}),
    ("blink", {"eyeBlink": 1.0}),
    ("looks to own left", {"eyeLookOutLeft": 0.6, "eyeLookInRight": 0.6}),
    ("looks up", {"eyeLookUp": 0.6}),
    ("looks down", {"eyeLookDown": 0.7}),
    ("brows up", {"browInnerUp": 0.7, "browOuterUp": 0.6, "eyeWide": 0.3}),
    ("brows down", {"browDown": 0.7, "eyeSquint": 0.3}),
    ("smile", {"mouthSmile": 0.6, "cheekSquint": 0.5, "eyeSquint": 0.2}),
)
TURNS = (("turns to own left", (0, TURN, 0)), ("turns to own right", (0, -TURN, 0)), ("chin up", (NOD, 0, 0)),
         ("chin down", (-NOD, 0, 0)), ("tilts to own left", (0, 0, TILT)), ("tilts to own right", (0, 0, -TILT)))


class Face(Protocol):
    """What a sheet is made of."""

    def draw_expression(self, expression: Expression) -> NDArray[np.uint8]: ...


def avatar_sheet(avatar: Avatar) -> NDArray[np.uint8]:
    """The contact sheet of an avatar pack, drawn by the embedded face at the portrait's own size."""
    side = avatar.portrait.image.shape[0]
    face, elsewhere = MorphableAnimator(side), MorphableAnimator(side)
    face.sit_avatar(avatar)
    elsewhere.sit_avatar(avatar, np.full((side, side, 3), ELSEWHERE, np.uint8))
    return contact_sheet(face, elsewhere)


def contact_sheet(face: Face, elsewhere: Face) -> NDArray[np.uint8]:
    """u8 RGB [H, W, 3]: a seated animator at rest, at the mouths of speech, looking, and turned; last the same person
    `elsewhere`, before another background.
    """
    cells = [_cell(face.draw_expression(expression({})), "portrait")]
    table = viseme_table()
    for caption, name in MOUTHS:
        cells.append(_cell(face.draw_expression(Expression.from_row(table[CLASS_INDEX[name]], 0)), caption))
    for caption, weights in LOOKS:
        cells.append(_cell(face.draw_expression(expression(weights)), caption))
    for caption, turn in TURNS:
        cells.append(_cell(face.draw_expression(expression({}, turn)), caption))
    cells.append(_cell(elsewhere.draw_expression(expression({})), "other background"))
    cells += [np.full_like(cells[0], PAPER)] * (-len(cells) % COLUMNS)
    return np.vstack([np.hstack(cells[i:i + COLUMNS]) for i in range(0, len(cells), COLUMNS)])


def expression(weights: dict[str, float], turn: tuple[float, float, float] = (0, 0, 0)) -> Expression:
    """An Expression from named weights; a name without Left or Right sets both sides."""
    out = Expression.neutral()
    for name, value in weights.items():
        for full in (name, name + "Left", name + "Right"):
            if full in ARKIT_INDEX:
                out.weights[ARKIT_INDEX[full]] = value
    out.pose[:POSE_SIZE // 2] = turn
    return out


def _cell(picture: NDArray[np.uint8], caption: str) -> NDArray[np.uint8]:
    cell = np.full((CELL + CAPTION, CELL, 3), PAPER, np.uint8)
    cell[:CELL] = cv2.resize(picture, (CELL, CELL), interpolation=cv2.INTER_AREA)
    cv2.putText(cell, caption, (6, CELL + 16), cv2.FONT_HERSHEY_SIMPLEX, 0.45, INK, 1, cv2.LINE_AA)
    return cell
