from __future__ import annotations

import random
from pathlib import Path

import pytest
from ruach_lang_am.numbers import MAX_VALUE, spell_cardinal

_LINES = (Path(__file__).parent / "am_number_words.tsv").read_text(encoding="utf-8").splitlines()
_ROWS = [line.split("\t") for line in _LINES if line[0].isdigit()]

_ONES_IN_ORDER = "አንድ ሁለት ሦስት አራት አምስት ስድስት ሰባት ስምንት ዘጠኝ"
_TENS_IN_ORDER = "አሥር ሃያ ሠላሳ አርባ ሃምሳ ስልሳ ሰባ ሰማንያ ዘጠና"
_ONES = {word: n for n, word in enumerate(_ONES_IN_ORDER.split(), start=1)}
_TENS = {word: 10 * n for n, word in enumerate(_TENS_IN_ORDER.split(), start=1)}
_SCALES = {"ሺህ": 10**3, "ሚሊዮን": 10**6, "ቢሊዮን": 10**9, "ትሪሊዮን": 10**12}


def read_number(words: str) -> int:
    """The value of number words, read by a grammar that the code under test doesn't share."""
    total = group = 0
    last_scale = 10**15
    for word in words.split():
        if word in _SCALES:
            assert group > 0
            assert _SCALES[word] < last_scale
            last_scale = _SCALES[word]
            total, group = total + group * last_scale, 0
        elif word == "መቶ":
            assert group < 10
            group = 100 * max(group, 1)
        elif word == "አሥራ":
            assert group % 100 == 0
            group += 10
        elif word in _TENS:
            assert group % 100 == 0
            group += _TENS[word]
        elif word == "ዜሮ":
            assert words == "ዜሮ"
        else:
            assert group % 10 == 0
            group += _ONES[word]
    return total + group


def test_number_table_is_large_enough() -> None:
    assert len(_ROWS) >= 60
    assert {int(value) for value, _ in _ROWS} >= {*range(20), *range(20, 101, 10)}


@pytest.mark.parametrize(("value", "words"), _ROWS, ids=[row[0] for row in _ROWS])
def test_number_words(value: str, words: str) -> None:
    assert spell_cardinal(int(value)) == words


def test_first_ten_thousand_read_back() -> None:
    spelled = [spell_cardinal(value) for value in range(10_001)]
    assert len(set(spelled)) == len(spelled)
    assert [read_number(words) for words in spelled] == list(range(10_001))


def test_random_numbers_read_back() -> None:
    chosen = random.Random(2016)
    for _ in range(2000):
        value = chosen.randrange(10 ** chosen.randint(4, 12))
        words = spell_cardinal(value)
        assert read_number(words) == value
        assert words == " ".join(words.split())


def test_ten_alone_differs_from_ten_before_a_unit() -> None:
    for value in range(10_001):
        words = spell_cardinal(value).split()
        for word, after in zip(words, [*words[1:], ""], strict=True):
            assert (word == "አሥራ") == (word in ("አሥራ", "አሥር") and after in _ONES)


def test_a_bare_hundred_stands_at_the_head_alone() -> None:
    for value in (100, 1_100, 100_000, 100_100, 1_100_100, 100_100_100):
        words = spell_cardinal(value).split()
        bare = [n for n, word in enumerate(words) if word == "መቶ" and words[n - 1] not in _ONES]
        assert bare == ([0] if words[0] == "መቶ" else [])


@pytest.mark.parametrize("value", [-1, MAX_VALUE + 1, 10**4000])
def test_what_has_no_words(value: int) -> None:
    with pytest.raises(ValueError, match="no words"):
        spell_cardinal(value)
