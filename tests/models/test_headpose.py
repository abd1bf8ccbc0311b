"""The similarity fit finds the pose it was given, and does not mind an open mouth."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from limner.models.face.canonical import coarse
from limner.models.headpose import head_pose

AXES = np.array([1, -1, -1])         # canonical axes to picture axes


def turned(yaw: float = 0, pitch: float = 0, roll: float = 0, scale: float = 20) -> np.ndarray:
    """Landmarks of the canonical face, posed: degrees, px per cm."""
    y, p, r = np.radians([yaw, pitch, roll])
    about_y = np.array([[np.cos(y), 0, np.sin(y)], [0, 1, 0], [-np.sin(y), 0, np.cos(y)]])
    about_x = np.array([[1, 0, 0], [0, np.cos(p), np.sin(p)], [0, -np.sin(p), np.cos(p)]])
    about_z = np.array([[np.cos(r), np.sin(r), 0], [-np.sin(r), np.cos(r), 0], [0, 0, 1]])
    points = coarse()[0] @ (about_z @ about_y @ about_x).T * scale
    return points * AXES + [256, 256, 0]


@given(st.floats(-80, 80), st.floats(0.5, 500))
def test_yaw_and_scale_are_found(yaw, scale):
    pose = head_pose(turned(yaw=yaw, scale=scale))
    assert pose.yaw == pytest.approx(yaw, abs=0.01)          # exact data: only rounding of float32
    assert pose.scale == pytest.approx(scale, rel=1e-5)


@pytest.mark.parametrize("angle", [-15, 0, 25])
def test_pitch_and_roll_are_found(angle):
    assert head_pose(turned(pitch=angle)).pitch == pytest.approx(angle, abs=0.01)
    assert head_pose(turned(roll=angle)).roll == pytest.approx(angle, abs=0.01)


def test_signs():
    """A head turned to the person's left shows its nose right of its ears' middle in the picture."""
    points = turned(yaw=20)
    assert points[1, 0] > points[[234, 454], 0].mean()
    up = turned(pitch=20)
    assert up[1, 1] < turned()[1, 1]


def test_an_open_mouth_does_not_tilt_the_fit():
    points = turned(yaw=5)
    jaw = coarse()[0][:, 1] < -2.5
    points[jaw] += [0, 60, 20]
    assert head_pose(points).pitch == pytest.approx(0, abs=0.01)
