import numpy as np
import pytest

from limner.models.training import speech_texts as st


def test_at_least_six_languages_with_a_voice_and_a_share():
    table = st.grammar()
    assert len(table) >= 6 and {"en", "de", "fr", "es", "it", "cmn", "ja", "ru"} <= set(table)
    for lists in table.values():
        assert lists["share"] > 0 and lists["voice"] and all(lists[name] for name in lists["order"])


@pytest.mark.parametrize("language", list(st.grammar()))
def test_sentences_are_clean_and_vary(language):
    rng = np.random.default_rng(0)
    sentences = [st.grammar_sentence(language, rng) for _ in range(50)]
    assert len(set(sentences)) > 40
    assert all("  " not in s and s == s.strip() and " ." not in s for s in sentences)


def test_same_seed_same_text():
    assert st.english(np.random.default_rng(5)) == st.english(np.random.default_rng(5))
    assert st.foreign(np.random.default_rng(5)) == st.foreign(np.random.default_rng(5))


def test_fortunes_are_read_where_they_are(tmp_path):
    (tmp_path / "wit").write_text("It is a fine day for a long walk by the sea.\n\t\t-- Anon\n%\nshort\n%\n", "utf-8")
    (tmp_path / "wit.dat").write_bytes(b"\0\1")
    assert st.fortunes(tmp_path) == ("It is a fine day for a long walk by the sea.",)
    assert st.fortunes(tmp_path / "none") == ()
