"""The data that flows."""

import dataclasses

import numpy as np
import pytest

from limner.engine import types
from limner.engine.types import ARKIT, ARKIT_INDEX, EXPRESSION_ROW, Expression

FLOWING = [types.AudioChunk, types.FeatureRows, types.FeatureWindow, types.Expression, types.Portrait, types.Frame,
           types.Picture]  # fmt: skip


@pytest.mark.parametrize("kind", FLOWING, ids=lambda kind: kind.__name__)
def test_everything_is_frozen_and_slotted(kind):
    assert kind.__dataclass_params__.frozen
    assert not hasattr(kind, "__dict__") or "__slots__" in vars(kind)


def test_arkit_has_52_names_in_alphabetical_order():
    assert len(ARKIT) == 52 == len(set(ARKIT))
    assert list(ARKIT) == sorted(ARKIT)
    assert all(ARKIT[i] == name for name, i in ARKIT_INDEX.items())


def test_neutral_is_all_zero():
    neutral = Expression.neutral(7)
    assert neutral.pts == 7
    assert not neutral.weights.any()
    assert not neutral.pose.any()


def test_an_expression_survives_being_a_row():
    rng = np.random.default_rng(0)
    expression = Expression(rng.random(52, np.float32), rng.random(6, np.float32), 900)
    row = expression.row()
    assert row.shape == (EXPRESSION_ROW,)
    assert row.dtype == np.float32
    back = Expression.from_row(row, 900)
    assert np.array_equal(back.weights, expression.weights)
    assert np.array_equal(back.pose, expression.pose)


def test_weights_from_outside_are_brought_into_range_and_pose_is_not():
    row = np.full(EXPRESSION_ROW, -3, np.float32)
    row[0] = 2
    expression = Expression.from_row(row, 0)
    assert expression.weights[0] == 1
    assert expression.weights[1:].max() == 0
    assert (expression.pose == -3).all()


def test_a_frame_is_a_key_of_generation_zero_unless_said_otherwise():
    frame = types.Frame(np.zeros((2, 2, 3), np.uint8), 0, 3600, 0)
    assert (frame.drawn, frame.generation, frame.ready, frame.alpha) == ("key", 0, None, None)
    assert dataclasses.replace(frame, drawn="repeat").drawn == "repeat"
