from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ruach_core.text.alphabet import Alphabet

LATIN = Alphabet(["a", "b", "ch", "d", "e", "ẹ", "ẹ́", "g", "gb", "h", "n", "ng'", "o", "i"])
ETHIOPIC = Alphabet([*map(chr, range(0x1208, 0x1210)), "ሰ", "ም", "ላ"])


@pytest.mark.parametrize(
    "word",
    [
        "bad", "BAD", "Gbogbo", "chang'ang'a", "CH", "Ch", "ẹ", "Ẹ́", "e\u0323\u0301",
        "e\u0301\u0323", "ẹ\u0301", "ba-di", "ba,", "(ba)", '"ba"', "ba…", "", "\u200d", "\ufffd",
    ],
)  # fmt: skip
def test_what_the_alphabet_explains(word):
    assert LATIN.find_strays(word) == ()


@pytest.mark.parametrize(
    ("word", "strays"),
    [
        ("ca", ["c"]),
        ("cha c", ["c"]),
        ("xax", ["x", "x"]),
        ("Q", ["Q"]),
        ("é", ["é"]),
        ("e\u0301", ["é"]),
        ("chá", ["á"]),
        ("ọ", ["ọ"]),
        ("ọ́", ["ọ", "\u0301"]),
        ("\u0301", ["\u0301"]),
        ("ba\u0331", ["\u0331"]),
        ("x\u0331", ["x", "\u0331"]),
        ("аb", ["а"]),
        ("b9", ["9"]),
        ("b%", ["%"]),
        ("♪", ["♪"]),
        ("\ue000", ["\ue000"]),
        ("\ud800", ["\ud800"]),
    ],
)
def test_what_it_does_not(word, strays):
    assert list(LATIN.find_strays(word)) == strays


@pytest.mark.parametrize(
    ("char", "kind"),
    [
        ("c", "letter"), ("\u0301", "letter"), ("ʼ", "letter"), ("а", "foreign"), ("ሰ", "foreign"),
        ("ﾊ", "foreign"), ("\u05b7", "foreign"), ("9", "digit"), ("፩", "digit"), ("½", "digit"),
        ("%", "symbol"), ("€", "symbol"), ("\ue000", "symbol"), ("\ud800", "symbol"),
    ],
)  # fmt: skip
def test_kinds(char, kind):
    assert LATIN.kind(char) == kind


def test_a_script_is_that_of_the_letters():
    assert ETHIOPIC.find_strays("ሰላምa") == ("a",)
    assert [ETHIOPIC.kind(char) for char in "aቀ"] == ["foreign", "letter"]


def test_letters_that_case_folding_changes_are_explained():
    assert Alphabet(["ß", "i"]).find_strays("ẞSS") == ()
    assert Alphabet(["σ"]).find_strays("ςΣσ") == ()


def test_an_empty_alphabet_explains_nothing():
    assert Alphabet([]).find_strays("a b.") == ("a", "b")


@given(st.text())
def test_total_and_deterministic(word):
    strays = LATIN.find_strays(word)
    assert strays == LATIN.find_strays(word)
    for char in strays:
        assert len(char) == 1
        LATIN.kind(char)


@pytest.mark.parametrize("word", ["a\u0301" * 100_000, "a" + "\u0331" * 200_000, "x" * 200_000])
def test_linear(word):
    started = time.perf_counter()
    LATIN.find_strays(word)
    assert time.perf_counter() - started < 30
