import pytest

from limner.models.phones import ARPABET, CLASSES, PARENT, VISEME_OF, VISEMES, arpabet_parts, ipa_parts


def test_classes_fold_onto_the_fifteen_visemes():
    assert len(VISEMES) == 15 and CLASSES[:15] == VISEMES
    assert [VISEMES[v] for v in VISEME_OF[:15]] == list(VISEMES)
    assert all(VISEMES[VISEME_OF[CLASSES.index(c)]] == parent for c, parent in PARENT.items())


def test_shares_of_a_phone_sum_to_one():
    assert all(sum(s for _, s in parts) == pytest.approx(1) for parts in ARPABET.values())
    for symbol in ("aɪ", "tʃ", "ts", "ɐ̃ʊ̃", "ts.h", "ja", "mʲ"):
        assert sum(s for _, s in ipa_parts(symbol)) == pytest.approx(1)


@pytest.mark.parametrize("symbol,names", [
    ("p", ["PP"]), ("mʲ", ["PP"]), ("ɸ", ["FF"]), ("ð", ["TH"]), ("tʃ", ["CH"]), ("dʒ", ["CH"]), ("ts", ["DD", "SS"]),
    ("ç", ["CH"]), ("ɡ", ["kk"]), ("ɑː", ["aa"]), ("oʊ", ["oh", "uh"]), ("ə", ["ax"]), ("ɚ", ["er"]), ("w", ["ww"]),
    ("yː", ["ou"]), ("ɛ̃", ["E"]), ("ɲ", ["nn"]), ("ʎ", ["ll"]),
])
def test_ipa(symbol, names):
    assert [n for n, _ in ipa_parts(symbol)] == names


@pytest.mark.parametrize("symbol", ["", "ʲ", "ˈ", "(en)"])
def test_marks_are_no_sounds(symbol):
    assert ipa_parts(symbol) is None or symbol == "(en)"


def test_arpabet_ignores_stress_and_takes_fillers_as_silence():
    assert arpabet_parts("AH0") == arpabet_parts("ah") == [("ax", 1.0)]
    assert arpabet_parts("SIL") == arpabet_parts("+NSN+") == [("sil", 1.0)]
    assert [n for n, _ in arpabet_parts("OW1")] == ["oh", "ou"]
