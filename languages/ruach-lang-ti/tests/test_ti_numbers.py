"""Tigrinya words for numbers, by themselves and in running text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruach_lang_ti.normalizer import build_normalizer
from ruach_lang_ti.numbers import (
    MAX_CARDINAL,
    link,
    number_words,
    spell_cardinal,
    spell_decimal,
    spell_ordinal,
)

CARDINALS = (
    (0, "ዜሮ"),
    (1, "ሓደ"),
    (7, "ሸውዓተ"),
    (10, "ዓሰርተ"),
    (11, "ዓሰርተ ሓደ"),
    (19, "ዓሰርተ ትሽዓተ"),
    (20, "ዕስራ"),
    (21, "ዕስራን ሓደን"),
    (25, "ዕስራን ሓሙሽተን"),
    (69, "ሱሳን ትሽዓተን"),
    (100, "ሓደ ሚእቲ"),
    (101, "ሓደ ሚእትን ሓደን"),
    (110, "ሓደ ሚእትን ዓሰርተን"),
    (115, "ሓደ ሚእትን ዓሰርተ ሓሙሽተን"),
    (127, "ሓደ ሚእትን ዕስራን ሸውዓተን"),
    (900, "ትሽዓተ ሚእቲ"),
    (1_000, "ሓደ ሽሕ"),
    (2_000, "ክልተ ሽሕ"),
    (2_016, "ክልተ ሽሕን ዓሰርተ ሽዱሽተን"),
    (1_991, "ሓደ ሽሕን ትሽዓተ ሚእትን ቴስዓን ሓደን"),
    (15_000, "ዓሰርተ ሓሙሽተ ሽሕ"),
    (25_000, "ዕስራን ሓሙሽተን ሽሕ"),
    (25_001, "ዕስራን ሓሙሽተን ሽሕን ሓደን"),
    (100_000, "ሓደ ሚእቲ ሽሕ"),
    (1_001_000, "ሓደ ሚልዮንን ሓደ ሽሕን"),
    (1_025_000, "ሓደ ሚልዮንን ዕስራን ሓሙሽተን ሽሕን"),
    (1_234_567, "ሓደ ሚልዮንን ክልተ ሚእትን ሰላሳን ኣርባዕተን ሽሕን ሓሙሽተ ሚእትን ሱሳን ሸውዓተን"),
    (10**9, "ሓደ ቢልዮን"),
    (10**12, "ሓደ ትሪልዮን"),
)


def _target(text: str) -> str:
    return build_normalizer({}).normalize(text, purpose="target")


def _score(text: str) -> str:
    return build_normalizer({}).normalize(text, purpose="score")


@pytest.mark.parametrize(("value", "words"), CARDINALS)
def test_cardinals(value: int, words: str) -> None:
    assert spell_cardinal(value) == words
    assert _target(str(value)) == words
    assert _score(f"{value:,}") == words


@pytest.mark.parametrize("value", [-1, MAX_CARDINAL + 1])
def test_cardinals_out_of_range_are_refused(value: int) -> None:
    with pytest.raises(ValueError, match="no words for"):
        spell_cardinal(value)


def test_cardinals_tell_numbers_apart() -> None:
    assert len({spell_cardinal(value) for value in range(20_000)}) == 20_000


@given(st.integers(1, MAX_CARDINAL))
def test_cardinals_are_made_of_known_words(value: int) -> None:
    words = number_words()
    known = {*words.units.values(), *words.tens.values(), "ሚእቲ", "ሚእት"}
    known |= {name for _, name in words.scales}
    spelled = spell_cardinal(value).split(" ")
    assert all(word in known or word.removesuffix("ን") in known for word in spelled)
    assert len(spelled) <= 2 * len(str(value))


def test_compounds_are_linked_and_single_parts_are_not() -> None:
    for value in range(1, 1000):
        is_one_part = value < 20 or value % 100 == 0 or (value < 100 and value % 10 == 0)
        words = spell_cardinal(value).split(" ")
        assert words[-1].endswith("ን") != is_one_part
        assert words[0].endswith("ን") == (20 < value < 100 and not is_one_part)


def test_decimals_are_read_digit_by_digit() -> None:
    assert spell_decimal(3, "14") == "ሰለስተ ነጥቢ ሓደ ኣርባዕተ"
    assert spell_decimal(0, "05") == "ዜሮ ነጥቢ ዜሮ ሓሙሽተ"


def test_ordinals_end_at_ten() -> None:
    assert spell_ordinal(1) == "ቀዳማይ"
    assert spell_ordinal(10, feminine=True) == "ዓስረይቲ"
    assert spell_ordinal(11) is None
    assert spell_ordinal(0) is None


@pytest.mark.parametrize(
    ("words", "linked"),
    [("ሓሙሽተ", "ሓሙሽተን"), ("ክልተ ሚእቲ", "ክልተ ሚእትን"), ("ሓደ ሚልዮን", "ሓደ ሚልዮንን"), ("ዕስራን ሓደን", None)],
)
def test_link(words: str, linked: str | None) -> None:
    assert link(words) == linked


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ብ2016 ተጀሚሩ", "ብክልተ ሽሕን ዓሰርተ ሽዱሽተን ተጀሚሩ"),
        ("ን5 ሰብ", "ንሓሙሽተ ሰብ"),
        ("ካብ5 ናብ9", "ካብ ሓሙሽተ ናብ ትሽዓተ"),
        ("መበል 25 ዓመት", "መበል ዕስራን ሓሙሽተን ዓመት"),
        ("2ይ ኲናት፣ 3ይቲ ክፍሊ", "ካልኣይ ኲናት፣ ሳልሰይቲ ክፍሊ"),
        ("10ን 100ን", "ዓሰርተን ሓደ ሚእትን"),
        ("5'ውን 6'ዮም", "ሓሙሽተ'ውን ሽዱሽተ'ዮም"),
        ("8ሚልዮን 3ሽሕ", "ሸሞንተ ሚልዮን ሰለስተ ሽሕ"),
        ("40% 2.5%", "ኣርብዓ ሚእታዊት ክልተ ነጥቢ ሓሙሽተ ሚእታዊት"),
        ("-5 ዲግሪ", "ኣሉታ ሓሙሽተ ዲግሪ"),
        ("5.50 ናቕፋ 0.25 ብር 3.00 ዶላር", "ሓሙሽተ ናቕፋን ሓምሳ ሳንቲምን ዕስራን ሓሙሽተን ሳንቲም ሰለስተ ዶላር"),
        ("5.50 ናቕፋታት", "ሓሙሽተ ነጥቢ ሓሙሽተ ዜሮ ናቕፋታት"),
        ("5.5 ናቕፋ", "ሓሙሽተ ነጥቢ ሓሙሽተ ናቕፋ"),
        ("«5» (6) 7. 8፡ 9፣ 10!", '"ሓሙሽተ" (ሽዱሽተ) ሸውዓተ። ሸሞንተ፣ ትሽዓተ፣ ዓሰርተ!'),
        ("ሰብ፡5፡ማይ", "ሰብ ሓሙሽተ ማይ"),
        ("፳፻፲፮ ብ፲፪ ፭ይ ፵%", "ክልተ ሽሕን ዓሰርተ ሽዱሽተን ብዓሰርተ ክልተ ሓሙሻይ ኣርብዓ ሚእታዊት"),
        ("፩ ፻", "ሓደ ሓደ ሚእቲ"),
        ("1,234,567", spell_cardinal(1_234_567)),
        ("ሰዓት 3:00 ናብ 10፡00 ሰዓት", "ሰዓት ሰለስተ ናብ ዓሰርተ ሰዓት"),
        ("٢٥", "ዕስራን ሓሙሽተን"),
    ],
)
def test_numbers_with_one_reading_are_spoken(text: str, expected: str) -> None:
    assert _target(text) == expected
    assert _target(expected) == expected


@pytest.mark.parametrize(
    "text",
    [
        "12/05/2016", "3:30", "5-9", "1/2", "3፥16", "+251 911 23 45 67", "0911234567", "007",
        "COVID-19", "5G", "ም5", "11ይ", "25ን", "$5", "#5", "5ኪሜ", "10²", "1.2.3", "1 234 567",
        "12345678901234567", "፪:፴", "፲-፳", "፩፪", "፻፻", "፲5", "፩.፪", "+5", "5%ን", "2+3", "ሰብ'5",
        "3:00", "ሰዓት 3:30", "ሰዓት 0:00", "ሰዓት 3:00:00", "ዘሰዓት 3:00", "3:00 ሰዓታት",
    ],
)  # fmt: skip
def test_numerals_without_one_reading_stay(text: str) -> None:
    assert _target(text) == text
    assert _target(f"ሰብ {text} ማይ") == f"ሰብ {text} ማይ"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("5-9%", "ሓሙሽተ ትሽዓተ ሚእታዊት"),
        ("3:30", "ሰለስተ ሰላሳ"),
        ("007", "ዜሮ ዜሮ ሸውዓተ"),
        ("COVID-19", "covid ዓሰርተ ትሽዓተ"),
        ("5G", "ሓሙሽተ g"),
        ("ም5ሰ", "ም ሓሙሽተ ሰ"),
        ("ብ2015/16", "ብክልተ ሽሕን ዓሰርተ ሓሙሽተን ዓሰርተ ሽዱሽተ"),
        ("፪:፴", "ክልተ ሰላሳ"),
        ("2222222222222222", " ".join(["ክልተ"] * 16)),
    ],
)
def test_score_reads_every_digit(text: str, expected: str) -> None:
    assert _score(text) == expected


@given(st.text(st.sampled_from("0123456789٣፩፲፻ .,:/-%ሰብይን'ʼa፡።²"), max_size=30))
def test_score_has_no_digit_left(text: str) -> None:
    assert not any(char.isdecimal() for char in _score(text))


@pytest.mark.parametrize(
    ("one", "other"),
    [("፳፻፲፮", "2016"), ("፲፪%", "12%"), ("2,016", "2016"), ("5-9 %", "5-9%"), ("፵ %", "40%")],
)
@pytest.mark.parametrize("numbers", ["keep", "words"])
def test_numerals_of_one_value_are_equal_in_score(one: str, other: str, numbers: str) -> None:
    normalizer = build_normalizer({"numbers": numbers})
    assert normalizer.normalize(one, purpose="score") == normalizer.normalize(
        other, purpose="score"
    )


def test_kept_numbers_are_kept() -> None:
    normalizer = build_normalizer({"numbers": "keep"})
    assert normalizer.normalize("ብ2016 ፲፪ 3.5%", purpose="target") == "ብ2016 ፲፪ 3.5%"
