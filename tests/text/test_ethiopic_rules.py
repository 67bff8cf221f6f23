from __future__ import annotations

import re

import pytest

from ruach_core.text import ethiopic
from ruach_core.text.normalization import ChainNormalizer, clean_rules
from ruach_core.text.unicode import category


def _chain(*, comma_before_space: bool = False) -> ChainNormalizer:
    rules = (
        *clean_rules("NFC"),
        *ethiopic.clean_marks(),
        *ethiopic.punctuation_rules(comma_before_space=comma_before_space),
    )
    return ChainNormalizer("test", target=rules, score=rules)


def _normalize(text: str, *, comma_before_space: bool = False) -> str:
    chain = _chain(comma_before_space=comma_before_space)
    return chain.normalize(text, purpose="target")


def test_letters_are_all_ethiopic_letters() -> None:
    pattern = re.compile(f"[{ethiopic.LETTERS}]")
    blocks = [
        (0x1200, 0x1380),
        (0x1380, 0x13A0),
        (0x2D80, 0x2DE0),
        (0xAB00, 0xAB30),
        (0x1E7E0, 0x1E800),
    ]
    for low, high in blocks:
        for char in map(chr, range(low, high)):
            if category(char) != "Cn":
                assert bool(pattern.match(char)) == (category(char) == "Lo"), hex(ord(char))


def test_marks_and_numerals_have_their_categories() -> None:
    assert {category(c) for c in ethiopic.GEMINATION_MARKS} == {"Mn"}
    assert {category(c) for c in map(chr, range(0x1369, 0x137D))} == {"No"}
    assert {category(c) for c in map(chr, range(0x1390, 0x139A))} == {"So"}


def test_no_rule_changes_a_fidel() -> None:
    for block in (range(0x1200, 0x135B), range(0x1380, 0x1390), range(0x2D80, 0x2DDF)):
        for char in map(chr, block):
            assert _normalize(f"{char}{char}፡{char}") == f"{char}{char} {char}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ኤርትራ፡ኣብ፡ቀርኒ፡ኣፍሪቃ፡ትርከብ፡፡", "ኤርትራ ኣብ ቀርኒ ኣፍሪቃ ትርከብ።"),
        ("ሰላም፡ ከመይ ኣለኹም?", "ሰላም፣ ከመይ ኣለኹም?"),
        ("ሰላም፡", "ሰላም፣"),
        ("8፡30", "8:30"),
    ],
)
def test_tigrinya_reads_a_spaced_wordspace_as_comma(text: str, expected: str) -> None:
    assert _normalize(text, comma_before_space=True) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("በቀዳሚ፡ገብረ፡እግዚአብሔር፡ሰማየ፡ወምድረ።", "በቀዳሚ ገብረ እግዚአብሔር ሰማየ ወምድረ።"),
        ("‹‹ ሰላም ›› ፤ አለ", '"ሰላም"፤ አለ'),
        ("አለ ‹‹ሰላም››።", 'አለ "ሰላም"።'),
        ("ሀ፦ለ", "ሀ፦ ለ"),
        ("፩፥፪", "፩፥፪"),
        ("ቆይ......", "ቆይ..."),
        ("x.…", "x..."),
        ("ሰላም፤፤", "ሰላም፤"),
    ],
)
def test_punctuation(text: str, expected: str) -> None:
    assert _normalize(text) == expected
    assert _normalize(expected) == expected
