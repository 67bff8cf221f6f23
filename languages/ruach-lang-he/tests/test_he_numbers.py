"""Hebrew number words: read back by a parser of their own, and read in text where they can be."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruach_lang_he.normalizer import build_normalizer
from ruach_lang_he.number_words import (
    MAX_NUMBER,
    Gender,
    has_one_form,
    scale_words,
    spell_count,
    spell_number,
)

from ruach_core.text.tables import read_table

GENDERS: tuple[Gender, Gender] = ("feminine", "masculine")
NORMALIZER = build_normalizer()

FEMININE = ["אפס", "אחת", "שתיים", "שלוש", "ארבע", "חמש", "שש", "שבע", "שמונה", "תשע", "עשר"]
MASCULINE = [
    *("אפס", "אחד", "שניים", "שלושה", "ארבעה", "חמישה", "שישה", "שבעה", "שמונה", "תשעה", "עשרה")
]
CONSTRUCT = ["שני", "שלושת", "ארבעת", "חמשת", "ששת", "שבעת", "שמונת", "תשעת", "עשרת"]
TENS = ["עשרים", "שלושים", "ארבעים", "חמישים", "שישים", "שבעים", "שמונים", "תשעים"]
UNITS = {
    **{word: value for words in (FEMININE, MASCULINE) for value, word in enumerate(words)},
    **{word: value for value, word in enumerate(CONSTRUCT, start=2)},
    "שתי": 2,
    "שתים": 2,
    "שנים": 2,
    **{word: 10 * value for value, word in enumerate(TENS, start=2)},
    "מאה": 100,
    "מאתיים": 200,
}
SCALES = {"אלף": 10**3, "אלפים": 10**3, "מיליון": 10**6, "מיליארד": 10**9}


def read_words(text: str) -> int:
    """The number that words stand for; written apart from what spells them."""
    total, group = 0, 0
    words = text.split()
    for position, written in enumerate(words):
        word = written.removeprefix("ו") if position else written
        if word in SCALES:
            total += (group or 1) * SCALES[word]
            group = 0
        elif word == "אלפיים":
            total += 2000
        elif word == "מאות":
            group = group - group % 10 + 100 * (group % 10)
        elif word in ("עשרה", "עשר") and 0 < group % 100 < 10 and not written.startswith("ו"):
            group += 10
        else:
            group += UNITS[word]
    return total + group


def score(text: str) -> str:
    return NORMALIZER.normalize(text, purpose="score")


@pytest.mark.parametrize("gender", GENDERS)
def test_numbers_to_ten_thousand_are_read_back(gender: Gender) -> None:
    for number in range(10_001):
        words = spell_number(number, gender)
        assert read_words(words) == number, words
    assert len({spell_number(number, gender) for number in range(10_001)}) == 10_001


@pytest.mark.parametrize("gender", GENDERS)
@given(st.integers(0, MAX_NUMBER) | st.integers(0, 10**6) | st.integers(0, 10**5))
def test_any_number_is_read_back(gender: Gender, number: int) -> None:
    assert read_words(spell_number(number, gender)) == number


def test_round_numbers_are_read_back() -> None:
    chooser = random.Random(2026)
    for _ in range(3000):
        number = chooser.randrange(1, 1000) * 10 ** chooser.randrange(10)
        for gender in GENDERS:
            assert read_words(spell_number(number, gender)) == number


@given(st.integers(21, MAX_NUMBER))
def test_and_is_before_the_last_part(number: int) -> None:
    words = spell_number(number, "feminine").split()
    last_scale = max((i for i, word in enumerate(words) if word in scale_words()), default=-1)
    after = words[last_scale + 1 :]
    # 13 is one part of two words, 300 too; a multiple (עשרים ואחד אלף) has its own ו.
    parts = [word for word in after if word not in ("עשרה", "מאות")]
    assert sum(word.startswith("ו") for word in after) == (
        1 if len(parts) > 1 or (parts and last_scale >= 0) else 0
    )


@pytest.mark.parametrize(
    ("number", "feminine", "masculine"),
    [
        (0, "אפס", "אפס"),
        (2, "שתיים", "שניים"),
        (12, "שתים עשרה", "שנים עשר"),
        (18, "שמונה עשרה", "שמונה עשר"),
        (25, "עשרים וחמש", "עשרים וחמישה"),
        (101, "מאה ואחת", "מאה ואחד"),
        (115, "מאה וחמש עשרה", "מאה וחמישה עשר"),
        (120, "מאה ועשרים", "מאה ועשרים"),
        (999, "תשע מאות תשעים ותשע", "תשע מאות תשעים ותשעה"),
        (1001, "אלף ואחת", "אלף ואחד"),
        (1900, "אלף ותשע מאות", "אלף ותשע מאות"),
        (1999, "אלף תשע מאות תשעים ותשע", "אלף תשע מאות תשעים ותשעה"),
        (2019, "אלפיים ותשע עשרה", "אלפיים ותשעה עשר"),
        (3_000, "שלושת אלפים", "שלושת אלפים"),
        (12_000, "שנים עשר אלף", "שנים עשר אלף"),
        (21_000, "עשרים ואחד אלף", "עשרים ואחד אלף"),
        (120_500, "מאה ועשרים אלף וחמש מאות", "מאה ועשרים אלף וחמש מאות"),
        (1_001_000, "מיליון ואלף", "מיליון ואלף"),
        (1_001_001, "מיליון אלף ואחת", "מיליון אלף ואחד"),
        (1_120_000, "מיליון מאה ועשרים אלף", "מיליון מאה ועשרים אלף"),
        (2_500_000, "שני מיליון וחמש מאות אלף", "שני מיליון וחמש מאות אלף"),
        (3_000_003, "שלושה מיליון ושלוש", "שלושה מיליון ושלושה"),
    ],
)
def test_known_numbers(number: int, feminine: str, masculine: str) -> None:
    assert spell_number(number, "feminine") == feminine
    assert spell_number(number, "masculine") == masculine


@pytest.mark.parametrize("number", [-1, MAX_NUMBER + 1])
def test_numbers_without_words_are_refused(number: int) -> None:
    with pytest.raises(ValueError, match="isn't from 0"):
        spell_number(number, "feminine")


def test_counts_before_a_noun() -> None:
    assert spell_count(1, "feminine") is None
    assert [spell_count(2, gender) for gender in GENDERS] == ["שתי", "שני"]
    assert spell_count(3, "masculine", is_definite=True) == "שלושת"
    assert spell_count(3, "feminine", is_definite=True) == "שלוש"
    assert spell_count(102, "masculine") == "מאה ושניים"


def test_which_numbers_have_one_form() -> None:
    assert [n for n in range(101) if has_one_form(n)] == [
        0, 8, 20, 28, 30, 38, 40, 48, 50, 58, 60, 68, 70, 78, 80, 88, 90, 98, 100,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # What is counted has the gender of the noun.
        ("13 בנות ו-13 בנים", "שלוש עשרה בנות ושלושה עשר בנים"),
        ("25 הילדים הקטנים", "עשרים וחמישה הילדים הקטנים"),
        ("ל-2 הנשים", "לשתי הנשים"),
        ("5 שנים ו-12 שנים", "חמש שנים ושתים עשרה שנים"),
        ("22 שנה, 15 שקל", "עשרים ושתיים שנה חמישה עשר שקל"),
        ("כ-3,012 תושבים", "כשלושת אלפים ושנים עשר תושבים"),
        ('7 ק"מ', "שבעה קמ"),
        ("2 מיליון, 11 אלף", "שני מיליון אחד עשר אלף"),
        # What only names is feminine.
        ("בשנת 586 לפני הספירה", "בשנת חמש מאות שמונים ושש לפני הספירה"),
        ("מאז 1967 ועד היום", "מאז אלף תשע מאות שישים ושבע ועד היום"),
        ("בינואר 1973 פרצה", "בינואר אלף תשע מאות שבעים ושלוש פרצה"),
        ("נולד ב1921 ומת ב-1995", "נולד באלף תשע מאות עשרים ואחת ומת באלף תשע מאות תשעים וחמש"),
        ("ב– 1921 נולד", "באלף תשע מאות עשרים ואחת נולד"),
        ("עמוד 41 בספר", "עמוד ארבעים ואחת בספר"),
        ("בכביש 6 צפונה", "בכביש שש צפונה"),
        ("עד השעה 11 בלילה", "עד השעה אחת עשרה בלילה"),
        ("ילד בן 7 וחצי", "ילד בן שבע וחצי"),
        ("בשנים 1991 ו-1993", "בשנים אלף תשע מאות תשעים ואחת ואלף תשע מאות תשעים ושלוש"),
        # What stands by itself is feminine.
        ("הקוד הוא 415.", "הקוד הוא ארבע מאות וחמש עשרה"),
        ("(1999), הוצאה שלישית", "אלף תשע מאות תשעים ותשע הוצאה שלישית"),
        ("0", "אפס"),
        ("٢٥ ילדים", "עשרים וחמישה ילדים"),
        # What sounds the same in both genders.
        ("30 זאבים ו-100 נמלים", "שלושים זאבים ומאה נמלים"),
        ("שנות ה-90", "שנות התשעים"),
        ("פי 20.", "פי עשרים"),
        ("1980 זאבים", "אלף תשע מאות ושמונים זאבים"),
        # Dates and centuries.
        ("ב-29 בנובמבר 1947", "בעשרים ותשעה בנובמבר אלף תשע מאות ארבעים ושבע"),
        ("מה-11 לספטמבר", "מהאחד עשר לספטמבר"),
        ("במאה ה-21", "במאה העשרים ואחת"),
    ],
)
def test_numbers_are_read(text: str, expected: str) -> None:
    assert score(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "3 זאבים", "פי 3", "1999 זאבים", "ב1949 ילדים", "1 ילד", "3 אלף", "8 אלף", "1 מיליון",
        "ה3 בתור", "ה15 בתור", "במאה ה5", "7 במאי", "מהשעה 12:30", "3.5 ילדים", "25%",
        "10-15 דקות", "1/2 שעה", "12/05/2016", "03-5551234", "0501234567", "007",
        "5$", "25₪", "windows 10", "x5", "5x", "משהו5", "123456789", "1,23", "1234567890123456",
        "25 1000000", "5 6 זאבים", "5 שנים עשר זאבים", "5 ושתים עשרה זאבים",
            "5 וחצי", "8 הזאבים", "50 km", "25 היום", "3 השבוע",
        "לפני 2 שנים", "2 שעות", "2 ימים", "2 שבועות", "2 חודשים", "2 פעמים",
    ],
)  # fmt: skip
def test_numbers_with_no_or_several_readings_stay(text: str) -> None:
    assert score(text) == text


@pytest.mark.parametrize("prefix", [row["prefix"] for row in read_table(
    "ruach_lang_he", "prefixes.tsv", columns=("prefix", "article", "source")
)])  # fmt: skip
def test_prefixes_go_over_to_the_first_word(prefix: str) -> None:
    for hyphen in ("-", "־", "–", "- ", ""):
        assert score(f"{prefix}{hyphen}60 ילדים") == f"{prefix}שישים ילדים"


def test_a_sign_keeps_a_number_from_being_read_where_signs_are_kept() -> None:
    words = build_normalizer(numbers="words")
    assert words.normalize("מינוס: -5 מעלות", purpose="target") == "מינוס: -5 מעלות"
    assert words.normalize("5 מעלות", purpose="target") == "חמש מעלות"


def test_a_word_before_a_hyphen_is_no_prefix() -> None:
    assert score("מיג-29 זאבים") == "מיג 29 זאבים"


@given(st.integers(0, MAX_NUMBER))
def test_words_do_not_depend_on_commas(number: int) -> None:
    assert score(f"{number:,} ילדים") == score(f"{number} ילדים")


def test_every_noun_is_counted_in_its_gender() -> None:
    words = {"m": "עשרים ושלושה", "f": "עשרים ושלוש"}
    for row in read_table("ruach_lang_he", "nouns.tsv", columns=("word", "gender", "source")):
        noun = row["word"].replace('"', "")
        assert score(f"23 {row['word']}") == f"{words[row['gender']]} {noun}"


def test_tables_have_each_word_once() -> None:
    columns = {
        "nouns.tsv": ("word", "gender", "source"),
        "labels.tsv": ("word", "kind", "prefixed", "source"),
        "prefixes.tsv": ("prefix", "article", "source"),
    }
    for name, heading in columns.items():
        rows = read_table("ruach_lang_he", name, columns=heading)
        words = [row[heading[0]] for row in rows]
        assert len(set(words)) == len(words)
        assert all(row["source"] for row in rows)
    nouns = read_table("ruach_lang_he", "nouns.tsv", columns=columns["nouns.tsv"])
    assert {row["gender"] for row in nouns} == {"m", "f"}
