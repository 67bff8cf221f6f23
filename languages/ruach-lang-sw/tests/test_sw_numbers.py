"""Swahili numbers: by the rules, read back, and where they stand in a text."""

from __future__ import annotations

import random
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruach_lang_sw.normalizer import build_normalizer
from ruach_lang_sw.numbers import LIMIT, decimal_words, integer_words

UNITS = ["sifuri", "moja", "mbili", "tatu", "nne", "tano", "sita", "saba", "nane", "tisa"]
TENS = [
    "", "kumi", "ishirini", "thelathini", "arobaini", "hamsini", "sitini", "sabini", "themanini",
    "tisini",
]  # fmt: skip
SCALES = {"elfu": 10**3, "milioni": 10**6, "bilioni": 10**9, "trilioni": 10**12}

WORDS = build_normalizer({"numbers": "words"})


def _words(text: str) -> str:
    return WORDS.normalize(text, purpose="target")


def _score(text: str) -> str:
    return build_normalizer({}).normalize(text, purpose="score")


def read_integer(words: str) -> int:
    """Reads a number's words, by itself: scales fall, `na` joins inside a group only."""
    total, last_scale = 0, LIMIT
    for chunk in re.split(r" (?=(?:elfu|milioni|bilioni|trilioni) )", words):
        head, _, rest = chunk.partition(" ")
        scale = SCALES.get(head, 0)
        if not scale:
            assert not total, f"{words}: a group without its scale before another"
            total += _read_last_groups(chunk)
            continue
        assert scale < last_scale, words
        last_scale = scale
        count, others = _read_group(rest)
        assert count, words
        total += count * scale
        if others:
            last, others = _read_group(others)
            assert not others, words
            total += last
    return total


def _read_last_groups(chunk: str) -> int:
    value, others = _read_group(chunk)
    assert not others, chunk
    return value


def _read_group(words: str) -> tuple[int, str]:
    """The value of the first group, and the words after it."""
    tokens = words.split()
    value, position, ceiling = 0, 0, 1000
    while True:
        if tokens[position] == "mia":
            part, place = 100 * UNITS.index(tokens[position + 1]), 100
            position += 2
        elif tokens[position] in TENS:
            part, place = 10 * TENS.index(tokens[position]), 10
            position += 1
        else:
            part, place = UNITS.index(tokens[position]), 1
            position += 1
        assert place < ceiling, words
        value, ceiling = value + part, place
        if position == len(tokens) or tokens[position] != "na":
            return value, " ".join(tokens[position:])
        position += 1


def test_to_one_hundred() -> None:
    for value in range(101):
        tens, unit = divmod(value, 10)
        if value == 100:
            expected = "mia moja"
        elif tens and unit:
            expected = f"{TENS[tens]} na {UNITS[unit]}"
        else:
            expected = TENS[tens] or UNITS[unit]
        assert integer_words(value) == expected
        assert _words(str(value)) == expected


# What ICU 72 writes by CLDR's rules, less its commas.
@pytest.mark.parametrize(
    ("value", "words"),
    [
        (105, "mia moja na tano"),
        (345, "mia tatu na arobaini na tano"),
        (1_000, "elfu moja"),
        (1_005, "elfu moja tano"),
        (1_100, "elfu moja mia moja"),
        (1_999, "elfu moja mia tisa na tisini na tisa"),
        (2_016, "elfu mbili kumi na sita"),
        (10_005, "elfu kumi tano"),
        (15_000, "elfu kumi na tano"),
        (300_040, "elfu mia tatu arobaini"),
        (340_000, "elfu mia tatu na arobaini"),
        (10**6, "milioni moja"),
        (
            1_234_567,
            "milioni moja elfu mia mbili na thelathini na nne mia tano na sitini na saba",
        ),
        (10**9, "bilioni moja"),
        (10**12, "trilioni moja"),
        (10**12 + 1, "trilioni moja moja"),
    ],
)
def test_integers(value: int, words: str) -> None:
    assert integer_words(value) == words
    assert _words(str(value)) == words
    assert _score(f"{value:,}") == words


def test_integers_up_to_ten_thousand_read_back() -> None:
    assert all(read_integer(integer_words(value)) == value for value in range(1, 10_001))


def test_random_integers_read_back() -> None:
    draw = random.Random(20)
    for _ in range(2_000):
        value = draw.randrange(1, 10 ** draw.randint(4, 15))
        assert read_integer(integer_words(value)) == value


@pytest.mark.parametrize("value", [-1, LIMIT])
def test_there_are_no_words_beyond_the_limits(value: int) -> None:
    with pytest.raises(ValueError, match="no words"):
        integer_words(value)


@given(st.integers(0, LIMIT - 1), st.text("0123456789", max_size=6))
@settings(max_examples=200, deadline=None)
def test_decimals_are_read_digit_by_digit(integer: int, fraction: str) -> None:
    whole, _, rest = decimal_words(integer, fraction).partition(" nukta ")
    assert whole == integer_words(integer)
    assert rest.split() == [UNITS[int(digit)] for digit in fraction]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("3.14", "tatu nukta moja nne"),
        ("0.5", "sifuri nukta tano"),
        ("2.05", "mbili nukta sifuri tano"),
        ("1,500.25", "elfu moja mia tano nukta mbili tano"),
        ("-7", "kasoro saba"),
        ("−7.5", "kasoro saba nukta tano"),
        ("25%", "asilimia ishirini na tano"),
        ("25 %", "asilimia ishirini na tano"),
        ("-0.5%", "asilimia kasoro sifuri nukta tano"),
        ("asilimia 25%", "asilimia ishirini na tano"),
        ("Asilimia 25", "Asilimia ishirini na tano"),
        ("(25)", "(ishirini na tano)"),
        ("“25”, 7!", "“ishirini na tano”, saba!"),
        ("٢٥", "ishirini na tano"),
        ("saa 3", "saa tatu"),  # read as it is written, whichever clock is meant
        ("saa 2.5", "saa mbili nukta tano"),
        ("shilingi 500", "shilingi mia tano"),
    ],
)
def test_numerals_with_one_reading(text: str, words: str) -> None:
    assert _words(text) == words


@pytest.mark.parametrize(
    "text",
    [
        "saa 3:30", "saa 3.30", "Saa 12.05 jioni", "12:05:59",
        "$5", "$ 5", "Sh. 500", "sh 500/=", "Ksh 1,000", "KES 45.50", "20 USD", "€7", "500/-",
        "shilingi 5.50", "5.50 dola",
        "1/2", "5-9", "12/05/2016", "1.2.3", "1,23", "1 234 567", "0712345678", "+255 712 345 678",
        "007", "1234567890123456", "+5", "10²", "½",
        "B12", "5kg", "Covid-19", "mp3", "#5", "5%6", "7(8)", "5.a", "1a2",
    ],
)  # fmt: skip
def test_what_is_left_as_it_is_written(text: str) -> None:
    assert _words(text) == text
    assert _words(f"Bei ni {text}, basi.") == f"Bei ni {text}, basi."


@pytest.mark.parametrize(
    "text",
    [
        "saa 3:30", "saa 3.30", "sh 500", "1/2", "5-9", "12/05/2016", "1.2.3", "1,23", "5kg", "007",
        "+255712345678", "+255 712 345 678", "0712-345-678", "5_6", "5'6", "2+3",
    ],
)  # fmt: skip
def test_score_leaves_them_too(text: str) -> None:
    assert _score(text) == text


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Covid-19", "covid kumi na tisa"),
        ("$5", "tano"),
        ("'7'", "saba"),
        ("+5", "tano"),
        ("5;6", "tano sita"),
    ],
)
def test_score_reads_numerals_that_lose_their_signs(text: str, words: str) -> None:
    assert _score(text) == words
