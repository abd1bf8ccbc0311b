import json

import numpy as np
import pytest

from limner.clients import face_scores as fs
from limner.clients.face_clips import Mouth
from limner.engine.errors import InputError
from limner.models.phones import VISEMES

T = np.arange(300) * 0.01


def alignment(tmp_path, phones):
    path = tmp_path / "a.phone.json"
    words = [{"t": "x", "w": [{"t": t, "b": b, "d": d} for t, b, d in phones]}]
    path.write_text(json.dumps({"w": words}))
    return path


def test_alignment_is_read_with_its_known_earliness(tmp_path):
    path = alignment(tmp_path, [("SIL", 0.0, 0.1), ("M", 0.1, 0.1), ("AY", 0.2, 0.2), ("SIL", 0.4, 0.2)])
    truth = fs.read_alignment(path, 60)
    names = [VISEMES[v] for v in truth.visemes]
    assert names[5] == "sil" and names[11:21] == ["PP"] * 10 and names[21:32] == ["aa"] * 11 and names[32:41] == ["ih"] * 9
    assert truth.contacts == [(pytest.approx(0.11), pytest.approx(0.21))]


@pytest.mark.parametrize("text", ["", "[]", '{"w": [{"w": [{"t": "M"}]}]}', '{"w": 3}'])
def test_what_is_no_alignment_is_named(tmp_path, text):
    path = tmp_path / "a.phone.json"
    path.write_text(text)
    with pytest.raises(InputError, match="phone alignment"):
        fs.read_alignment(path, 10)


def test_spans_and_hits():
    flags = np.zeros(50, bool)
    flags[10:14] = flags[30:50] = True
    found = fs.spans(flags)
    assert found == [(0.1, 0.14), (0.3, 0.5)]
    assert fs.hits(found, [(0.15, 0.2)]) == 1           # 10 ms apart, inside the tolerance
    assert fs.hits(found, [(0.2, 0.25)]) == 0
    assert fs.spans(np.zeros(5, bool)) == []


def test_a_late_curve_is_said_to_be_late():
    real = np.sin(2 * np.pi * 1.3 * T) + 0.3 * np.sin(2 * np.pi * 3.1 * T)
    late = 2 * np.interp(T - 0.05, T, real)
    score = fs.score_curve(late, T, real[::4], T[::4])
    assert score.lag == pytest.approx(0.05, abs=0.011) and score.best > 0.99 > score.r
    assert score.ratio == pytest.approx(2, rel=0.05)


def test_equal_mouths_score_one():
    mouth = Mouth(T, np.sin(9 * T), np.cos(5 * T))
    for score in fs.score_mouth(mouth, mouth):
        assert score.r == pytest.approx(1) and score.lag == 0 and score.ratio == pytest.approx(1)


def test_agreement_compares_the_instants_both_have():
    wide = np.cos(5 * T)
    first, second = Mouth(T, np.sin(9 * T), wide), Mouth(T[50:], 2 * np.sin(9 * T[50:]) + 1, -wide[50:])
    opening, width = fs.agreement(first, second)
    assert opening == pytest.approx(1) and width == pytest.approx(-1)
