import numpy as np
import pytest

from limner.models.phones import CLASS_INDEX, CLASSES
from limner.models.training.speech_labels import LIPS, lips, rows, segments

PHONES = [["pau", 0.1], ["m", 0.2], ["ay", 0.4], ["b", 0.5], ["pau", 0.6]]


def names(classes):
    return [CLASSES[c] for c in classes]


def test_rows_follow_the_phone_times():
    got = names(rows(segments(PHONES, "flite"), 70))
    assert got[:10] == ["sil"] * 10 and got[10:20] == ["PP"] * 10
    assert got[20:31] == ["aa"] * 11 and got[31:40] == ["ih"] * 9          # a diphthong: 55 % and 45 %
    assert got[40:50] == ["PP"] * 10 and got[50:] == ["sil"] * 20


def test_espeak_marks_belong_to_the_sound_before_and_pauses_are_silence():
    stretches = segments([["p", 0.10], ["ʲ", 0.14], ["", 0.16], ["a", 0.3], ["", 0.5]], "espeak")
    assert [(CLASSES[c], pytest.approx(a), pytest.approx(b)) for c, a, b in stretches] == [
        ("PP", 0.0, 0.16), ("aa", 0.16, 0.3), ("sil", 0.3, 0.5)]


def test_every_class_has_a_lip_target():
    assert set(LIPS) == set(CLASSES)


def test_coarticulation_gives_way_where_it_should():
    opening, width = lips(segments([["pau", 0.2], ["aa", 0.4], ["b", 0.5], ["aa", 0.7], ["pau", 1.0]], "flite"), 100).T
    assert opening[45] < 0.2 and opening[30] > 0.6 and opening[60] > 0.6       # b closes whatever is around it
    assert opening[95] < 0.25
    spread = lips(segments([["iy", 0.3], ["g", 0.4], ["iy", 0.7]], "flite"), 70)[35, 1]
    rounded = lips(segments([["uw", 0.3], ["g", 0.4], ["uw", 0.7]], "flite"), 70)[35, 1]
    assert spread > 0.2 and rounded < -0.4                                      # g has the width of its neighbours
    assert np.isfinite(width).all() and not lips([], 5).any()


def test_labels_stay_inside_the_recording():
    assert len(rows([(CLASS_INDEX["aa"], -0.05, 9.0)], 20)) == 20
