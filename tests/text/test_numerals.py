from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ruach_core.text.normalization import fold_case, remove_punctuation
from ruach_core.text.numerals import (
    MAX_DIGITS,
    Numeral,
    Spoken,
    find_numerals,
    has_digits,
    replace_numerals,
    shield_numerals,
)

_texts = st.lists(
    st.one_of(
        st.sampled_from("0123456789 .,:/-'’_+*=^%–−٫٬፡፥٣३７²½()aAክ"),
        st.sampled_from(["1,234", "0911234567", "1 234 567", "5-9", "3:30", "12/05/2016"]),
        st.characters(),
    ),
    max_size=30,
).map("".join)


def _find(text: str) -> list[tuple[str, str]]:
    return [(numeral.text, numeral.kind) for numeral in find_numerals(text)]


@pytest.mark.parametrize(
    ("written", "kind"),
    [
        ("0", "integer"),
        ("5", "integer"),
        ("1999", "integer"),
        ("1,234,567", "integer"),
        ("9" * MAX_DIGITS, "integer"),
        ("999,999,999,999,999", "integer"),
        ("٢٠١٦", "integer"),
        ("3.14", "decimal"),
        ("0.05", "decimal"),
        ("1,234.50", "decimal"),
        ("٣٫١٤", "decimal"),
        ("3:30", "time"),
        ("03:30", "time"),
        ("24:00", "time"),
        ("12:05:59", "time"),
        ("8፡00", "time"),
        ("5-9", "range"),
        ("2.5–3", "range"),
        ("1990—1995", "range"),
        ("3:00-4:30", "range"),
        ("1/2", "ratio"),
        ("2015/16", "ratio"),
        ("25:30", "ratio"),
        ("3:60", "ratio"),
        ("4:1", "ratio"),
        ("5፥3", "ratio"),
        ("12/05/2016", "date"),
        ("12-05-16", "date"),
        ("2016-05-12", "date"),
        ("30.13.2008", "date"),
        ("12/05-2016", "code"),
        ("1.2.3", "version"),
        ("192.168.1.1", "version"),
        ("1,23", "grouping"),
        ("0,5", "grouping"),
        ("1,2,3", "grouping"),
        ("12,34,567", "grouping"),
        ("1234,567", "grouping"),
        ("1 234 567", "spaced"),
        ("12 300", "spaced"),
        ("1\u202f234", "spaced"),
        ("0911234567", "phone"),
        ("+251911234567", "phone"),
        ("+251 911 23 45 67", "phone"),
        ("0911-23-45-67", "phone"),
        ("0911 23 45 67", "phone"),
        ("0911234567.5", "phone"),
        ("007", "code"),
        ("00", "code"),
        ("00.5", "code"),
        (".5", "code"),
        ("9" * (MAX_DIGITS + 1), "code"),
        ("2+3=5", "code"),
        ("1'234", "code"),
        ("1_000", "code"),
        ("10²", "code"),
        ("2½", "code"),
        ("٣2", "code"),
    ],
)
def test_kinds(written: str, kind: str) -> None:
    assert _find(written) == [(written, kind)]
    assert _find(f"ከ {written}። b") == [(written, kind)]
    assert _find(f"({written})") == [(written, kind)]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", []),
        ("ሰላም ፲፪ ½", []),
        ("በ2016ቱ", ["2016"]),
        ("5. 6, 7; (8)", ["5", "6", "7", "8"]),
        ("1, 2, 3", ["1", "2", "3"]),
        ("COVID-19", ["19"]),
        ("ገጽ.5", ["5"]),
        ("5 - 9", ["5", "9"]),
        ("5⁻ 10²⁺ 2½%", ["5", "10²", "2½%"]),
        ("….5 ..6", ["5", "6"]),
        ("1234 567", ["1234", "567"]),
        ("1 2345", ["1", "2345"]),
        ("1 234 5678", ["1 234", "5678"]),
        ("-5 +5 −5 (-5) ም-5", ["-5", "+5", "−5", "-5", "5"]),
        ("25% 25 % 2.5% 25٪", ["25%", "25 %", "2.5%", "25٪"]),
    ],
)
def test_what_is_found_in_a_text(text: str, found: list[str]) -> None:
    assert [numeral.text for numeral in find_numerals(text)] == found


def test_value_and_parts() -> None:
    (numeral,) = find_numerals("ዋጋ −1,234.50%።")
    assert numeral == Numeral(
        "−1,234.50%", 3, 13, "decimal", 1234, "50", "-", True, ("1", "234", "50")
    )
    (numeral,) = find_numerals("٣٫٠٤")
    assert (numeral.integer, numeral.fraction, numeral.groups) == (3, "04", ("3", "04"))
    (numeral,) = find_numerals("3፡05")
    assert (numeral.kind, numeral.groups, numeral.is_ambiguous) == ("time", ("3", "05"), False)
    (numeral,) = find_numerals("5-9%")
    assert (numeral.integer, numeral.groups, numeral.is_percent) == (0, ("5", "9"), True)
    assert numeral.is_ambiguous


@given(_texts)
def test_numerals_cover_every_digit_and_nothing_twice(text: str) -> None:
    numerals = list(find_numerals(text))
    position, rest = 0, ""
    for numeral in numerals:
        assert numeral.start >= position
        assert text[numeral.start : numeral.end] == numeral.text
        rest += text[position : numeral.start]
        position = numeral.end
    rest += text[position:]
    assert not any(char.isdecimal() for char in rest)
    assert has_digits(text) == bool(numerals)


@given(_texts)
def test_a_numeral_left_alone_is_still_itself(text: str) -> None:
    for numeral in find_numerals(text):
        if numeral.is_ambiguous:
            assert [other.is_ambiguous for other in find_numerals(numeral.text)] == [True]


def test_rule_writes_words_and_leaves_the_rest() -> None:
    rule = replace_numerals("n", lambda n, _, __: None if n.is_ambiguous else f"<{n.integer}>")
    assert rule.apply("በ5 5-9 1,234 007") == "በ<5> 5-9 <1234> 007"
    assert rule.apply("ሰላም") == "ሰላም"
    assert rule.name == "n"


def test_rule_shows_the_text_around() -> None:
    seen: list[tuple[str, str]] = []

    def speak(numeral: Numeral, before: str, after: str) -> None:
        seen.append((before, after))

    replace_numerals("n", speak).apply("ab 5ኛ 12")
    assert seen == [("ab ", "ኛ 12"), ("ab 5ኛ ", "")]
    seen.clear()
    replace_numerals("n", speak).apply("x" * 1000 + "5" + "y" * 1000)
    assert [(len(before), len(after)) for before, after in seen] == [(64, 64)]


def test_words_may_stand_for_the_text_around_too() -> None:
    def speak(numeral: Numeral, before: str, after: str) -> Spoken:
        return Spoken(f"{numeral.integer}!", n_before=before.endswith("$"), n_after=2)

    assert replace_numerals("n", speak).apply("a $5xyz") == "a 5!z"
    # What one numeral's words have taken in is not read again: the 2 here.
    assert replace_numerals("n", speak).apply("1 2 34567") == "1! 34567!"
    both = replace_numerals("n", lambda n, before, after: Spoken("x", n_before=1, n_after=1))
    assert both.apply("a1b2c") == "xx"


def test_other_numerals_can_be_found_too() -> None:
    def find(text: str) -> list[Numeral]:
        start = text.index("V")
        return [Numeral("V", start, start + 1, "integer", 5, "", "", False, ("5",))]

    rule = replace_numerals("n", lambda n, _, __: f"<{n.integer}>", find=find)
    assert rule.apply("Karl V 2") == "Karl <5> 2"


def test_shield_keeps_numerals_whole() -> None:
    rules = (fold_case("NFC"), *shield_numerals([remove_punctuation(between_digits="")]))
    text = 'Tel. +251 911-234567; 5–9 (12/05/2016)... 1,23% "3:30" A/B, -'
    for rule in rules:
        text = rule.apply(text)
    assert text == "tel +251 911-234567 5-9 12/05/2016 1,23% 3:30 a b"


@given(_texts)
def test_shielded_ambiguous_numerals_stay_ambiguous(text: str) -> None:
    rules = (
        fold_case("NFC"),
        replace_numerals("n", lambda n, _, __: None if n.is_ambiguous else " x "),
        *shield_numerals([remove_punctuation()]),
    )
    once = text
    for rule in rules:
        once = rule.apply(once)
    assert all(numeral.is_ambiguous for numeral in find_numerals(once))
    again = once
    for rule in rules:
        again = rule.apply(again)
    assert again == once


@pytest.mark.parametrize(
    "unit", ["1", "1,", "1 234 ", "0 ", "01 ", "+1", "-", "1-1 ", "1 2345 ", "٣1", "0", "1.", "5%"]
)
def test_time_is_linear(unit: str) -> None:
    rule = replace_numerals("n", lambda numeral, before, after: before[:1] + after[:1])

    def seconds(n_characters: int) -> float:
        text = (unit * n_characters)[:n_characters]
        start = time.process_time()
        rule.apply(text)
        return time.process_time() - start

    # Another process may slow a lap down; it needn't be run again where it was quick enough.
    assert any(seconds(100_000) < 40 * seconds(10_000) + 0.02 for _ in range(3))


def test_a_million_digits() -> None:
    start = time.process_time()
    assert [numeral.kind for numeral in find_numerals("7" * 1_000_000)] == ["code"]
    assert time.process_time() - start < 2
