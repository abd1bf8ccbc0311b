import numpy as np
from limner.engine.types import ARKIT_INDEX, Expression
from limner.models.face.sheet import CAPTION, CELL, COLUMNS, LOOKS, MOUTHS, TURNS, contact_sheet, expression


class _Recorder:
    def __init__(self) -> None:
        self.shown: list[Expression] = []

    def draw_expression(self, expression: Expression) -> np.ndarray:
        self.shown.append(expression)
        return np.full((64, 64, 3), min(len(self.shown), 255), np.uint8)


def test_a_sheet_shows_rest_mouths_looks_and_turns_in_equal_cells():
    face = _Recorder()
    sheet = contact_sheet(face)
    count = 1 + len(MOUTHS) + len(LOOKS) + len(TURNS)
    assert len(face.shown) == count
    assert sheet.shape == (-(-count // COLUMNS) * (CELL + CAPTION), COLUMNS * CELL, 3)
    assert not face.shown[0].weights.any() and not face.shown[0].pose.any()
    assert (sheet[:CELL, :CELL] == 1).all() and (sheet[:CELL, CELL:2 * CELL] == 2).all()
    assert all(shown.pose.any() for shown in face.shown[-len(TURNS):])


def test_named_weights_set_both_sides():
    it = expression({"eyeBlink": 0.5, "mouthSmileLeft": 0.3})
    assert it.weights[ARKIT_INDEX["eyeBlinkLeft"]] == it.weights[ARKIT_INDEX["eyeBlinkRight"]] == np.float32(0.5)
    assert it.weights[ARKIT_INDEX["mouthSmileRight"]] == 0
