from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ruach_core.text.word_changes import find_word_changes, list_words


def changes(before: str, after: str) -> list[tuple[str, str, str]]:
    return [(c.kind, c.before, c.after) for c in find_word_changes(before, after)]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("ሰላም፡ለዓለም።", "ሰላም ለዓለም"),
        (" a  b\t", "a b"),
        ("a, b!", "a b"),
        ("well-known", "well known"),
        ("don’t", "don't"),
        ("e\u0301", "é"),
        ("so\u00adft", "soft"),
        ("“a”", '"a"'),
        ("n`ile", "n'ile"),
        ("8፡15", "8:15"),
        ("", ""),
    ],
)
def test_space_punctuation_and_form_are_no_change(before, after):
    assert changes(before, after) == []


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("abc x", "ab c x", [("split", "abc", "ab c")]),
        ("x abc", "x a b c", [("split", "abc", "a b c")]),
        ("Abc x", "ab c x", [("split", "Abc", "ab c")]),
        ("ng'ombe x", "ng ombe x", [("split", "ng'ombe", "ng ombe")]),
        ("ab c x", "abc x", [("joined", "ab c", "abc")]),
        ("well-known", "wellknown", [("joined", "well known", "wellknown")]),
        ("ab cd", "a bcd", [("split", "ab cd", "a bcd")]),
        ("A b C", "a b c", [("recased", "A", "a"), ("recased", "C", "c")]),
        ("ኘሮ x", "ፕሮ x", [("respelled", "ኘሮ", "ፕሮ")]),
        ("1,000 x", "1000 x", [("joined", "1 000", "1000")]),
        ("in 25 x", "in xx yy x", [("respelled", "25", "xx yy")]),
        ("um a", "a", [("respelled", "um", "")]),
        ("a", "a um", [("respelled", "", "um")]),
        ("é", "e", [("respelled", "é", "e")]),
        ("ng'ombe", "ngombe", [("respelled", "ng'ombe", "ngombe")]),
    ],
)
def test_changes(before, after, expected):
    assert changes(before, after) == expected


def test_only_letters_and_marks_make_a_word_that_must_not_break():
    def breaks(before: str, after: str) -> bool:
        return any(change.breaks_a_word for change in find_word_changes(before, after))

    assert breaks("bọ́ọ̀lù a", "bọ ọ̀lù a") is False  # its mark went too: respelled
    assert breaks("abọ́c a", "abọ́ c a")
    assert not breaks("a25 b", "a 25 b")
    assert not breaks("re'ee b", "re ee b")
    assert not breaks("a b", "ab")


def test_counts_words_of_the_transcript():
    assert [c.n_words for c in find_word_changes("a b c x", "abc x")] == [3]
    assert [c.n_words for c in find_word_changes("x", "x y")] == [1]


def test_differences_beyond_the_look_ahead_are_still_counted():
    before, after = "a " * 30 + "x", "b " * 12 + "x"
    found = list(find_word_changes(before, after))
    assert sum(change.n_words for change in found) >= 30


@given(st.text(), st.text())
def test_total_and_complete(before, after):
    found = list(find_word_changes(before, after))
    assert bool(found) == (list_words(before) != list_words(after))
    assert list(find_word_changes(before, before)) == []


@given(st.lists(st.sampled_from(["a", "b", "ab", "c", "A"])), st.lists(st.sampled_from("abcA")))
def test_nothing_is_lost_between_changes(before, after):
    """What is listed as before and after accounts for every word that isn't in both."""
    found = list(find_word_changes(" ".join(before), " ".join(after)))
    gone = sum(len(change.before.split()) for change in found)
    come = sum(len(change.after.split()) for change in found)
    assert len(before) - gone == len(after) - come >= 0


@pytest.mark.parametrize(
    ("before", "after"),
    [("a b c d " * 20_000, "e f g " * 20_000), ("a b " * 40_000, "a c b " * 30_000)],
)
def test_linear(before, after):
    started = time.perf_counter()
    list(find_word_changes(before, after))
    assert time.perf_counter() - started < 30
