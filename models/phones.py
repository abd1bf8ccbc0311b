"""Phones to mouth classes: ARPAbet (flite, pocketsphinx) and IPA (espeak-ng), and the 15 visemes the classes belong to.

The visemes are the Oculus set. The network tells a few more classes apart than the set has names, where the mouth
differs visibly inside one viseme (the schwa is not a wide open `aa`, `w` is rounder than `u`, `l` shows the tongue);
`PARENT` folds them back.
"""

import unicodedata

VISEMES = ("sil", "PP", "FF", "TH", "DD", "kk", "CH", "SS", "nn", "RR", "aa", "E", "ih", "oh", "ou")
PARENT = {"ax": "aa", "ae": "aa", "hh": "kk", "ll": "nn", "ww": "ou", "ao": "oh", "iy": "ih", "er": "RR", "uh": "ou"}
CLASSES = VISEMES + tuple(PARENT)
CLASS_INDEX = {name: i for i, name in enumerate(CLASSES)}
VISEME_OF = tuple(VISEMES.index(PARENT.get(name, name)) for name in CLASSES)      # class index -> viseme index
OBSTRUENTS = ("sil", "PP", "FF", "TH", "DD", "kk", "CH", "SS", "hh")
SONORANTS = tuple(i for name, i in CLASS_INDEX.items() if name not in OBSTRUENTS)  # vowels, nasals, glides

Parts = list[tuple[str, float]]     # classes in time order, each with its share of the phone's duration

_ARPABET = {
    "PP": "p b m em", "FF": "f v", "TH": "th dh", "DD": "t d dx", "kk": "k g ng", "CH": "ch jh sh zh", "SS": "s z",
    "nn": "n en nx", "RR": "r", "aa": "aa", "E": "eh", "ih": "ih ix", "ou": "uw ux", "ax": "ah ax", "ae": "ae",
    "hh": "hh hv", "ll": "l el", "ww": "w", "ao": "ao", "iy": "iy y", "er": "er axr", "uh": "uh", "sil": "pau sil h#",
}
ARPABET: dict[str, Parts] = {p: [(c, 1.0)] for c, phones in _ARPABET.items() for p in phones.split()} | {
    "ay": [("aa", 0.55), ("ih", 0.45)], "aw": [("aa", 0.55), ("ou", 0.45)], "oy": [("ao", 0.55), ("ih", 0.45)],
    "ow": [("oh", 0.6), ("ou", 0.4)], "ey": [("E", 0.55), ("ih", 0.45)],
}

_IPA = {
    "PP": "pbmɓʙ", "FF": "fvɱʋɸβ", "TH": "θð", "DD": "tdɾʈɖɗɽ", "kk": "kgɡŋqɢɣxχɰɠcɟɴ", "CH": "ʃʒʂʐɕʑçʝ", "SS": "sz",
    "nn": "nɳɲ", "RR": "rɹɻ", "aa": "aɑäɒ", "E": "eɛœøɘɞ", "ih": "ɪɨɯᵻ", "oh": "oɵ", "ou": "uʉy", "ax": "əɐʌɜ", "ae": "æ",
    "hh": "hɦħʕʁʀʔ", "ll": "lɫɭʎɬɮ", "ww": "wɥʍ", "ao": "ɔ", "iy": "ij", "er": "ɚɝ", "uh": "ʊʏ", "sil": "",
}
IPA = {symbol: name for name, symbols in _IPA.items() for symbol in symbols} | {"ø": "oh", "œ": "ao"}
_SIBILANTS = {"SS", "CH"}


def arpabet_parts(phone: str) -> Parts:
    """Classes of one ARPAbet phone; unknown ones and fillers are silence."""
    return ARPABET.get(phone.lower().rstrip("012"), [("sil", 1.0)])


def ipa_parts(symbol: str) -> Parts | None:
    """Classes of one espeak-ng IPA symbol; None for a mark that only modifies the sound before it.

    A stop and the sibilant after it are one affricate; a diphthong gives 55 % of its time to its first vowel.
    """
    whole = unicodedata.normalize("NFC", symbol)
    bases = (c if c in IPA else unicodedata.normalize("NFD", c)[0] for c in whole)
    names = [IPA[c] for c in bases if c in IPA]
    if not names:
        return None
    if len(names) >= 2 and names[0] == "DD" and names[1] in _SIBILANTS:
        return [("CH", 1.0)] if names[1] == "CH" else [("DD", 0.4), ("SS", 0.6)]
    if len(names) == 1:
        return [(names[0], 1.0)]
    return [(names[0], 0.55)] + [(n, 0.45 / (len(names) - 1)) for n in names[1:]]
