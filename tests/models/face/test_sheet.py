import numpy as np

from limner.engine.types import ARKIT_INDEX, Expression
from limner.models.avatar import default_avatar
from limner.models.face.sheet import (
    CAPTION,
    CELL,
    COLUMNS,
    ELSEWHERE,
    LOOKS,
    MOUTHS,
    TURNS,
    avatar_sheet,
    contact_sheet,
    expression,
)


class _Recorder:
    def __init__(self) -> None:
        self.shown: list[Expression] = []

    def draw_expression(self, expression: Expression) -> np.ndarray:
        self.shown.append(expression)
        return np.full((64, 64, 3), min(len(self.shown), 255), np.uint8)


def test_a_sheet_shows_rest_mouths_looks_and_turns_in_equal_cells():
    face, elsewhere = _Recorder(), _Recorder()
    sheet = contact_sheet(face, elsewhere)
    count = 1 + len(MOUTHS) + len(LOOKS) + len(TURNS) + 1
    assert len(face.shown) == count - 1 and len(elsewhere.shown) == 1
    assert sheet.shape == (-(-count // COLUMNS) * (CELL + CAPTION), COLUMNS * CELL, 3)
    assert not face.shown[0].weights.any() and not face.shown[0].pose.any()
    assert (sheet[:CELL, :CELL] == 1).all() and (sheet[:CELL, CELL:2 * CELL] == 2).all()
    assert all(shown.pose.any() for shown in face.shown[-len(TURNS):])


def test_named_weights_set_both_sides():
    it = expression({"eyeBlink": 0.5, "mouthSmileLeft": 0.3})
    assert it.weights[ARKIT_INDEX["eyeBlinkLeft"]] == it.weights[ARKIT_INDEX["eyeBlinkRight"]] == np.float32(0.5)
    assert it.weights[ARKIT_INDEX["mouthSmileRight"]] == 0


def test_a_packs_sheet_shows_different_faces():
    """Every cell is drawn, none equals another, and what should move has moved."""
    sheet = avatar_sheet(default_avatar()).astype(int)
    cells = [sheet[y:y + CELL, x:x + CELL] for y in range(0, sheet.shape[0], CELL + CAPTION)
             for x in range(0, COLUMNS * CELL, CELL)]
    assert all(np.ptp(cell) > 60 for cell in cells)
    apart = [np.abs(a - b).mean() for i, a in enumerate(cells) for b in cells[:i]]
    assert min(apart) > 0.05
    corner = np.s_[:CELL // 8, :CELL // 8]
    assert np.abs(cells[-1][corner] - ELSEWHERE).mean() < 2 < np.abs(cells[0][corner] - ELSEWHERE).mean()
