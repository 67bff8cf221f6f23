"""The Hebrew normaliser: points and signs, acronyms, geresh, and its rules on any text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruach_lang_he.normalizer import build_normalizer

from ruach_core.plugins import Plugins
from ruach_core.text import unicode
from ruach_core.types import Purpose

PURPOSES: tuple[Purpose, ...] = ("target", "score")
NORMALIZERS = {numbers: build_normalizer(numbers=numbers) for numbers in (None, "keep", "words")}
DEFAULT = NORMALIZERS[None]

LETTERS = "אבגדהוזחטיכךלמםנןסעפףצץקרשת"
MARKS = [
    chr(c) for c in range(0x0591, 0x05C8) if unicode.is_mark(chr(c))
] + ["\ufb1e", "\u034f"]  # fmt: skip
PUNCTUATION = [chr(c) for c in range(0x0591, 0x05C8) if not unicode.is_mark(chr(c))]
FORMS = [
    chr(c) for c in range(0xFB1D, 0xFB50)
    if unicode.is_letter(chr(c))
]  # fmt: skip

HEBREW_LIKE = st.text(
    alphabet="אבהושלםת\u05b8\u05c1\u05bc\u0596\u034f\ufe0f־׀׃׆'\"׳״’”`´″ "
    "-–\u2010.,:;%₪$()0125\u200f\u202bﬠﭏשּׁװaZŉ",
    max_size=40,
)
PIECES = st.lists(
    st.sampled_from(
        [
            *("5", "12", "20", "2005", "1,000,000", "3.5", "5-6", "1000000", "007", "25%"),
            *("ב-", "ה-", "כ", "ו", "קו", "שנת", "במאה", "בן", "במאי", "אלף", "מיליון", "עשרים"),
            *("ילדים", "הבנות", "זאבים", 'ק"מ', "x", "₪", "$", "–", "-", ", ", ".", "(", ")"),
            *([" "] * 5),
        ]
    ),
    max_size=14,
).map("".join)


def target(text: str) -> str:
    return DEFAULT.normalize(text, purpose="target")


def score(text: str) -> str:
    return DEFAULT.normalize(text, purpose="score")


@pytest.mark.parametrize("texts", [HEBREW_LIKE, PIECES], ids=["signs", "numbers"])
def test_invariants_hold_under_each_option(texts: st.SearchStrategy[str]) -> None:
    @given(texts)
    def check(text: str) -> None:
        for normalizer in NORMALIZERS.values():
            for purpose in PURPOSES:
                once = normalizer.normalize(text, purpose=purpose)
                assert normalizer.normalize(once, purpose=purpose) == once
                assert unicode.normalize_form(once, "NFC") == once
            clean = normalizer.normalize(text, purpose="target")
            assert normalizer.normalize(clean, purpose="score") == normalizer.normalize(
                text, purpose="score"
            )

    check()


def test_the_range_has_marks_and_punctuation() -> None:
    assert [f"{ord(char):X}" for char in PUNCTUATION] == ["5BE", "5C0", "5C3", "5C6"]
    assert len(MARKS) == 0x05C8 - 0x0591 - 4 + 2


@pytest.mark.parametrize("purpose", PURPOSES)
@given(st.lists(st.tuples(st.sampled_from(LETTERS), st.lists(st.sampled_from(MARKS), max_size=3))))
def test_points_go_and_letters_stay(purpose: Purpose, pairs: list[tuple[str, list[str]]]) -> None:
    word = "".join(letter + "".join(marks) for letter, marks in pairs)
    assert DEFAULT.normalize(word, purpose=purpose) == "".join(letter for letter, _ in pairs)


@pytest.mark.parametrize("form", FORMS)
def test_presentation_forms_become_letters(form: str) -> None:
    for purpose in PURPOSES:
        output = DEFAULT.normalize(f"א{form}ב", purpose=purpose)
        assert set(output) <= set(LETTERS)
        assert output[0] == "א"
        assert output[-1] == "ב"
        assert len(output) == (4 if form in "\ufb1f\ufb4f" else 3)


def test_punctuation_of_pointed_text() -> None:
    assert target("בֵּית־סֵפֶר") == "בית-ספר"
    assert score("בֵּית־סֵפֶר") == "בית ספר"
    assert target("הָאָֽרֶץ׃ וְהָאָ֗רֶץ׃") == "הארץ. והארץ."
    assert target("א׀ב") == "א ב"
    assert target("׆") == ""


@pytest.mark.parametrize("sign", ['"', "״", "“", "”", "„", "''", "׳׳", "’’", "″", "´´"])
def test_acronyms_are_one_word(sign: str) -> None:
    assert target(f"דו{sign}ח על רמטכ{sign}ל") == 'דו"ח על רמטכ"ל'
    assert score(f"דו{sign}ח") == "דוח"


@pytest.mark.parametrize("sign", ["'", "׳", "’", "‘", "`", "´", "′", "ʼ", "＇"])
def test_geresh_letters_are_one_word(sign: str) -> None:
    assert target(f"צ{sign}ופצ{sign}יק") == "צ'ופצ'יק"
    assert score(f"צ{sign}ופצ{sign}יק") == "צ'ופצ'יק"
    assert score(f"קולג{sign} {sign}טוב{sign}") == "קולג טוב"


@pytest.mark.parametrize("sign", ["'", "׳", "’", "‘"])
def test_a_prefix_and_a_quoted_word_are_one(sign: str) -> None:
    assert score(f"קראתי ב{sign}הארץ{sign}") == score('קראתי ב"הארץ"') == "קראתי בהארץ"
    assert score(f"וכשה{sign}מומחים הגדולים{sign}, אמרו") == "וכשהמומחים הגדולים אמרו"
    assert target(f"ה{sign}מומחים{sign}") == "ה'מומחים'"


@pytest.mark.parametrize("word", ["ל'אקילה", "ג'ירפה וצ'יפס", "ה'א", "ו'יליאם'", "מז'ורקה'"])
def test_other_geresh_stay(word: str) -> None:
    assert score(word) == word.rstrip("'")


@pytest.mark.parametrize("pair", [("צהריים", "צהרים"), ("תוכנית", "תכנית"), ("מלך", "מלכ")])
def test_spelling_and_final_letters_are_never_folded(pair: tuple[str, str]) -> None:
    assert score(pair[0]) != score(pair[1])
    assert [target(word) for word in pair] == list(pair)


def test_direction_marks_go() -> None:
    marks = "\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u061c"
    for purpose in PURPOSES:
        assert DEFAULT.normalize(marks.join("שלום"), purpose=purpose) == "שלום"


def test_sums_of_money_are_one_however_written() -> None:
    assert {score(text) for text in ("₪1,250", "1,250 ₪", "1250₪", "₪ 1250")} == {"1250₪"}


def test_hook_gives_the_options() -> None:
    plugins = Plugins.load("he")
    assert plugins.manifest is not None
    assert plugins.manifest.whisper_language == "he"
    words = plugins.normalizer({"numbers": "words"})
    assert words.normalize("5", purpose="target") == "חמש"
    assert plugins.normalizer().normalize("5", purpose="target") == "5"
    assert plugins.normalizer().normalize("5", purpose="score") == "חמש"
    keep = plugins.normalizer({"numbers": "keep"})
    assert keep.normalize("5", purpose="score") == "5"
    assert len({keep.name, words.name, plugins.normalizer().name}) == 3
