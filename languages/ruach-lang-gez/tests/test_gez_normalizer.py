"""The Ge'ez normaliser: no letter changes, numerals of one value are equal in score."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruach_lang_gez.hooks import ruach_normalizer
from ruach_lang_gez.normalizer import build_normalizer

from ruach_core.manifest import load_manifest
from ruach_core.packs import find_pack
from ruach_core.text.ethiopic_numerals import MAX_VALUE, format_ethiopic
from ruach_core.text.unicode import is_letter

GEEZ_LIKE = st.text(st.sampled_from("ሀሐኀሠሰአዐጸፀኵ፡።፤፥፦፠ .,-:'\"፩፪፲፻፼12\u135f\u1390"), max_size=40)


def _target(text: str) -> str:
    return build_normalizer({}).normalize(text, purpose="target")


def _score(text: str) -> str:
    return build_normalizer({}).normalize(text, purpose="score")


def _letters(text: str) -> str:
    return "".join(char for char in text if is_letter(char))


def test_normalizer_is_for_geez_alone() -> None:
    assert ruach_normalizer(lang="am", options={}) is None
    assert ruach_normalizer(lang="gez", options={}) is not None


def test_alphabet_is_the_classical_syllabary() -> None:
    manifest = load_manifest(find_pack("gez"))
    assert manifest.whisper_language == "am"
    assert len(manifest.letters) == 26 * 7 + 4 * 5
    assert all(is_letter(letter) for letter in manifest.letters)
    assert not set("ሸቐቨቸኘኸዠጀጨሏሟ") & set(manifest.letters)


def test_no_letter_is_folded() -> None:
    for block in (range(0x1200, 0x135B), range(0x1380, 0x1390), range(0x2D80, 0x2DDF)):
        letters = [chr(c) for c in block if is_letter(chr(c))]
        scored = [_score(f"ብ{letter}ብ") for letter in letters]
        assert scored == [f"ብ{letter}ብ" for letter in letters]
        assert [_target(f"ብ{letter}ብ") for letter in letters] == scored


@given(GEEZ_LIKE)
def test_letters_come_out_as_they_went_in(text: str) -> None:
    for options in ({}, {"numbers": "keep"}, {"numbers": "digits"}):
        normalizer = build_normalizer(options)
        assert _letters(normalizer.normalize(text, purpose="target")) == _letters(text)
        assert _letters(normalizer.normalize(text, purpose="score")) == _letters(text)


@given(GEEZ_LIKE)
def test_score_has_letters_numerals_and_spaces(text: str) -> None:
    assert set(_score(text)) <= set("ሀሐኀሠሰአዐጸፀኵ ፩፪፲፻፼0123456789")


@given(st.one_of(st.integers(1, 20_000), st.integers(1, MAX_VALUE)))
def test_numerals_of_one_value_are_equal_in_score(value: int) -> None:
    assert _score(f"በ{format_ethiopic(value)} ዓመት") == _score(f"በ{value} ዓመት")
    assert _score(f"{value:,}") == str(value)


@pytest.mark.parametrize(
    ("text", "target", "score"),
    [
        ("ሰላም፡ለክሙ፡፡", "ሰላም ለክሙ።", "ሰላም ለክሙ"),
        ("ሰላም ፡ ለክሙ ።", "ሰላም ለክሙ።", "ሰላም ለክሙ"),
        ("ምዕራፍ፡፲፪፡፫", "ምዕራፍ ፲፪ ፫", "ምዕራፍ 12 3"),
        ("12፡3", "12 3", "12 3"),
        ("፲፪፥፫", "፲፪፥፫", "12 3"),
        ("፲፪፡፡፫", "፲፪። ፫", "12 3"),
        ("፲.፫", "፲.፫", "10 3"),
        ("፲ወ፪", "፲ወ፪", "10ወ2"),
        ("፪ቱ", "፪ቱ", "2ቱ"),
        ("፲5", "፲5", "፲5"),
        ("፻፻", "፻፻", "፻፻"),
        ("ሰ\u1390ላም", "ሰ\u1390ላም", "ሰላም"),
        ("ሰ\u135fላም", "ሰላም", "ሰላም"),
        ("፠ ሰላም ፨", "ሰላም", "ሰላም"),
    ],
)
def test_wordspace_and_numerals(text: str, target: str, score: str) -> None:
    assert _target(text) == target
    assert _score(text) == score
    assert _score(target) == score


def test_option_numbers_holds_for_both_purposes() -> None:
    keep, digits = (build_normalizer({"numbers": value}) for value in ("keep", "digits"))
    assert keep.normalize("ዓመት ፲፪።", purpose="score") == "ዓመት ፲፪"
    assert digits.normalize("ዓመት ፲፪።", purpose="target") == "ዓመት 12።"
    assert len({keep.name, digits.name}) == 2
