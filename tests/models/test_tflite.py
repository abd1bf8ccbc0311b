"""The network runner."""

import sys

import numpy as np
import pytest

from limner.engine.errors import MissingPackage
from limner.models.tflite import Network, network


def test_outputs_are_flat_and_the_same_each_time(networks):
    image = np.random.default_rng(0).random((192, 192, 3), np.float32)
    first = network("face_landmark.tflite")(image)
    assert {n: out.shape for n, out in first.items()} == {1404: (1404,), 1: (1,)}
    network("face_landmark.tflite")(np.zeros((192, 192, 3), np.float32))
    again = network("face_landmark.tflite")(image)
    np.testing.assert_array_equal(first[1404], again[1404])


def test_loading_says_nothing_and_errors_still_reach_stderr(networks, capfd):
    Network("iris_landmark.tflite")
    assert capfd.readouterr() == ("", "")
    print("heard", file=sys.stderr)
    assert capfd.readouterr().err == "heard\n"


def test_without_the_package_the_install_command_is_said(monkeypatch):
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", None)
    with pytest.raises(MissingPackage, match=r"pip install limner\[rig\]"):
        Network("face_landmark.tflite")
