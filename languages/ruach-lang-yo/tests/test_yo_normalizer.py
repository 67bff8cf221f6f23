"""The Yoruba normaliser: no word splits or changes, however its letters are encoded."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruach_lang_yo.normalizer import build_normalizer

from ruach_core.manifest import load_manifest
from ruach_core.packs import find_pack
from ruach_core.plugins import Plugins
from ruach_core.text import unicode
from ruach_core.types import Purpose

PURPOSES: tuple[Purpose, ...] = ("target", "score")
DOT = "\u0323"
WRONG_DOTS = ("\u0329", "\u0331", "\u032d")
KEEP = build_normalizer()
NORMALIZERS = {
    "keep": KEEP,
    "tones": build_normalizer(tones="strip"),
    "diacritics": build_normalizer(diacritics="strip"),
    "both": build_normalizer(tones="strip", diacritics="strip"),
}

SENTENCES = (
    "Ọmọbìnrin náà fẹ́ràn láti kọ orin ní ọjọ́ ìsinmi",
    "Àwọn àgbẹ̀ ń ṣiṣẹ́ nínú oko láti òwúrọ̀ títí di ìrọ̀lẹ́",
    "Ẹ jọ̀wọ́, ṣé ẹ lè sọ ọ̀nà ọjà fún mi",
    "Ìyá àgbà ṣe ọbẹ̀ ẹ̀fọ́ àti ẹja tútù",
    "Ǹjẹ́ ìwọ náà ti gbọ́ ìròyìn tuntun náà",
    "Olùkọ́ wa sọ pé ẹ̀kọ́ ni ọ̀nà àṣeyọrí",
)


def letters() -> list[str]:
    found = load_manifest(find_pack("yo")).letters
    return [*found, *(letter.upper() for letter in found)]


def decomposed(text: str) -> str:
    return unicode.normalize_form(text, "NFD")


def tone_first(text: str) -> str:
    """Each letter with its tone typed before its dot, which NFD would put first."""
    loose = decomposed(text)
    for tone in "\u0300\u0301":
        loose = loose.replace(DOT + tone, tone + DOT)
    return loose


def encodings(text: str) -> list[str]:
    """The text in NFC, in NFD, with marks in the other order, and with each wrong dot."""
    wrong = [
        encode(text).replace(DOT, sign)
        for sign in WRONG_DOTS
        for encode in (decomposed, tone_first)
    ]
    half = [unicode.normalize_form(variant, "NFC") for variant in wrong]
    doubled = [decomposed(text).replace(DOT, DOT + sign) for sign in WRONG_DOTS]
    return [
        unicode.normalize_form(text, "NFC"),
        decomposed(text),
        tone_first(text),
        *wrong,
        *half,
        *doubled,
    ]


WORDS = st.lists(st.sampled_from(letters()), min_size=1, max_size=12).map("".join)
YORUBA_LIKE = st.text(
    alphabet="aeostnmEOS\u0300\u0301\u0304\u0323\u0329\u0331\u032d\u0591ẹọǹḙɛẞ'’ʼ´`‐- \u200b.,%5ŉꞌ",
    max_size=40,
)


def test_encodings_differ_and_the_wrong_ones_are_wrong() -> None:
    assert len(set(encodings("ẹ̀kọ́"))) == 15
    assert all(unicode.normalize_form(e, "NFC") != "ẹ̀kọ́" for e in encodings("ẹ̀kọ́")[3:])


@pytest.mark.parametrize("purpose", PURPOSES)
@pytest.mark.parametrize("sentence", SENTENCES)
def test_sentences_keep_words_and_letters(sentence: str, purpose: Purpose) -> None:
    expected = unicode.normalize_form(sentence, "NFC")
    if purpose == "score":
        expected = expected.replace(",", "").lower()
    for encoded in encodings(sentence):
        assert KEEP.normalize(encoded, purpose=purpose) == expected


@given(WORDS)
def test_one_word_stays_one_in_every_encoding(word: str) -> None:
    for normalizer in NORMALIZERS.values():
        for purpose in PURPOSES:
            outputs = {normalizer.normalize(each, purpose=purpose) for each in encodings(word)}
            assert len(outputs) == 1
            assert len(outputs.pop().split()) == 1


@given(WORDS)
def test_words_come_through_unchanged(word: str) -> None:
    word = unicode.normalize_form(word, "NFC")
    assert KEEP.normalize(word, purpose="target") == word
    assert KEEP.normalize(word, purpose="score") == unicode.normalize_form(word.lower(), "NFC")


@given(YORUBA_LIKE)
def test_invariants_hold_under_each_option(text: str) -> None:
    for normalizer in NORMALIZERS.values():
        for purpose in PURPOSES:
            once = normalizer.normalize(text, purpose=purpose)
            assert normalizer.normalize(once, purpose=purpose) == once
            assert unicode.normalize_form(once, "NFC") == once
        target = normalizer.normalize(text, purpose="target")
        assert target == KEEP.normalize(text, purpose="target")
        assert normalizer.normalize(target, purpose="score") == normalizer.normalize(
            text, purpose="score"
        )


@given(YORUBA_LIKE)
def test_scores_fold_one_another(text: str) -> None:
    toned, untoned, plain = (
        NORMALIZERS[name].normalize(text, purpose="score")
        for name in ("keep", "tones", "diacritics")
    )
    assert NORMALIZERS["tones"].normalize(toned, purpose="score") == untoned
    assert NORMALIZERS["diacritics"].normalize(untoned, purpose="score") == plain
    assert [len(each.split()) for each in (untoned, plain)] == [len(toned.split())] * 2


def test_tones_and_dots_tell_words_apart() -> None:
    words = ("ọkọ", "ọkọ̀", "ọkọ́", "ọ̀kọ̀", "oko", "òkò")
    counts = {
        name: len({normalizer.normalize(word, purpose="score") for word in words})
        for name, normalizer in NORMALIZERS.items()
    }
    assert counts == {"keep": 6, "tones": 2, "diacritics": 1, "both": 1}
    assert len({KEEP.normalize(word, purpose="target") for word in words}) == 6


@pytest.mark.parametrize("sign", WRONG_DOTS)
def test_signs_under_other_letters_stay(sign: str) -> None:
    for letter in "nmaiuNd":
        word = unicode.normalize_form(f"b{letter}{sign}a", "NFC")
        assert KEEP.normalize(word, purpose="target") == word


def test_other_marks_stay_with_a_mended_dot() -> None:
    text = "e\u0327\u0329\u0301\u0308"
    expected = unicode.normalize_form("e\u0327\u0323\u0301\u0308", "NFC")
    assert KEEP.normalize(text, purpose="target") == expected


def test_marks_of_other_scripts_stay() -> None:
    for word in ("й", "שָׁ", "ά", "भा", "が"):
        word = unicode.normalize_form(word, "NFC")
        assert NORMALIZERS["both"].normalize(word, purpose="score") == word


@pytest.mark.parametrize("apostrophe", ["'", "’", "‘", "ʼ", "ʻ", "＇", "´", "`", "′"])
def test_apostrophes_are_one_and_stay_inside(apostrophe: str) -> None:
    text = f"N{apostrophe}ilé"
    assert KEEP.normalize(text, purpose="target") == "N'ilé"
    assert KEEP.normalize(text, purpose="score") == "n'ilé"


def test_loose_accents_do_not_split() -> None:
    assert KEEP.normalize("ko´le ẹ`", purpose="target") == "ko´le ẹ`"
    assert KEEP.normalize("ko´le ẹ`", purpose="score") == "kole ẹ"


def test_hook_gives_the_options() -> None:
    plugins = Plugins.load("yo")
    assert plugins.manifest is not None
    assert plugins.manifest.whisper_language == "yo"
    names = {
        plugins.normalizer(options).name
        for options in ({}, {"tones": "strip"}, {"diacritics": "strip"})
    }
    assert len(names) == 3
