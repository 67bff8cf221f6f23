from __future__ import annotations

import pytest

from ruach_core.errors import PackError
from ruach_core.text import unicode
from ruach_core.text.tables import parse_code_points, read_table


def test_tables_are_newer_than_the_interpreters() -> None:
    assert int(unicode.UNICODE_VERSION.split(".")[0]) >= 16
    assert unicode.category("\U0001c897"[0]) in ("Lo", "Cn")
    assert unicode.is_letter("\U000105c0")  # Todhri, Unicode 16


def test_character_name() -> None:
    assert unicode.character_name("፡") == "U+1361 ETHIOPIC WORDSPACE"
    assert unicode.character_name("\ud800") == "U+D800"


def test_normalize_form_takes_lone_surrogates() -> None:
    assert unicode.normalize_form("e\u0301\ud800", "NFC") == "é\ud800"
    assert unicode.normalize_form("é", "NFD") == "e\u0301"


def test_repair_surrogates() -> None:
    assert unicode.repair_surrogates("a\ud83d\ude00b\ud800") == "a\U0001f600b\ufffd"
    assert unicode.repair_surrogates("\udc00\ud800") == "\ufffd\ufffd"
    assert unicode.repair_surrogates("ሰላም") == "ሰላም"


def test_strip_invisible_leaves_white_space() -> None:
    assert unicode.strip_invisible("a\u200bb\x00\x97\ufeff\xadc") == "abc"
    assert unicode.strip_invisible("a\t\n\r\x85\u2028b") == "a\t\n\r\x85\u2028b"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("می\u200cروم", "می\u200cروم"),  # Persian: between letters
        ("ක්\u200dය", "ක්\u200dය"),  # Sinhala: after a virama
        ("ന്\u200d", "ന്\u200d"),  # Malayalam chillu, at a word's end
        ("a\u200d\u200cb", "a\u200db"),
        ("\u200da\u200d b\u200c", "a b"),
        ("👨\u200d👩", "👨👩"),
    ],
)
def test_joiners_stay_where_they_matter(text: str, expected: str) -> None:
    assert unicode.strip_invisible(text, keep_joiners=True) == expected
    assert "\u200d" not in unicode.strip_invisible(text)


def test_word_characters() -> None:
    for char in "aሀ\u0301५፩ˈ꜊\ue000":
        assert unicode.is_word_character(char) == (char != "።"), char
    for char in " ።-'`^$+\ufffd😀":
        assert not unicode.is_word_character(char), char


def test_parse_code_points() -> None:
    assert list(parse_code_points("U+0041..U+0043")) == [0x41, 0x42, 0x43]
    assert list(parse_code_points("U+E0001")) == [0xE0001]
    with pytest.raises(PackError, match="isn't a code point"):
        parse_code_points("A")


def test_read_table_names_the_fault() -> None:
    with pytest.raises(PackError, match="heading must be"):
        read_table("ruach_core.text", "invisible.tsv", columns=("from", "to"))
    rows = read_table("ruach_core.text", "invisible.tsv", columns=("code_points", "name", "source"))
    assert all(row["source"] for row in rows)
