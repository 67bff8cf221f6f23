"""Thirty checks on which other packages' normalisers of Amharic fail, on 14 to 18 each."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from ruach_lang_am.normalizer import build_normalizer

from ruach_core.types import Purpose


def _normalize(text: str, *, purpose: Purpose, **options: str) -> str:
    return build_normalizer(options).normalize(text, purpose=purpose)


def _target(text: str) -> str:
    return _normalize(text, purpose="target")


def _score(text: str) -> str:
    return _normalize(text, purpose="score")


def _keep(text: str) -> str:
    return _normalize(text, purpose="target", numbers="keep", abbreviations="keep")


def _is_same(text: str) -> bool:
    kept = _normalize(text, purpose="score", numbers="keep", abbreviations="keep")
    return kept == _keep(text) == text


CHECKS: tuple[Callable[[], bool], ...] = (
    lambda: _score("ፀሐይ") == _score("ጸሀይ"),
    lambda: _score("ዓለም") == _score("አለም"),
    lambda: _score("ኃይለ ሥላሴ") == _score("ሀይለ ስላሴ"),
    lambda: _score("ኅብረት") == _score("ህብረት"),
    lambda: _score("ኀብረት") == _score("ሀብረት"),
    lambda: _score("ሃገር") == _score("ሀገር"),
    lambda: _score("ብልኅ") == _score("ብልኽ"),
    lambda: _score("ኄኖክ") == _score("ሄኖክ"),
    lambda: _score("ኸረ") != _score("ሀረ"),
    lambda: _score("ሞልቱዋል") == _score("ሞልቷል"),
    lambda: _score("ዱዋላ") == _score("ዷላ"),
    lambda: _score("ወስደዋል") != _score("ወስዷል"),
    lambda: _is_same("ድሬደዋ"),
    lambda: _score("ወልደአረጋይ") != _score("ወልዷረጋይ"),
    lambda: _score("ሉዓላዊነት") == _score("ሉአላዊነት"),
    lambda: _score("ሉዓላዊነት") != _score("ሏላዊነት"),
    lambda: _is_same("ዲሞክራሲ") and _score("ሺ") != _score("ሽ"),
    lambda: _score("ጐንደር") == _score("ጎንደር") and _score("ኰሎኔል") == _score("ኮሎኔል"),
    lambda: _score("ቍጥር") == _score("ቁጥር"),
    lambda: _score("ዉሃ") == _score("ውሃ"),
    lambda: _score("ኋላ") != _score("ሀላ"),
    lambda: _target("ሰላም፡፡") == "ሰላም።",
    lambda: _target("ሰላም፡ለዓለም").split() == ["ሰላም", "ለዓለም"],
    lambda: _target("በ2016 ዓ.ም.").startswith("በሁለት ሺህ አሥራ ስድስት ዓመተ ምሕረት"),
    lambda: _target("ዓ.ዓ.").startswith("ዓመተ ዓለም"),
    lambda: _target("ት/ቤቱ") == "ትምህርት ቤቱ" and _target("የወ/ሮ") == "የወይዘሮ",
    lambda: _is_same("3.14"),
    lambda: _is_same("1000 ብር") and _is_same("1999"),
    lambda: _target("አለ፟") == _score("አለ፟") == "አለ",
    lambda: _target("ሰ\u200bላም") == "ሰላም",
)


@pytest.mark.parametrize("number", range(1, 31))
def test_check_of_peers(number: int) -> None:
    assert CHECKS[number - 1]()


@pytest.mark.parametrize(
    "word", ["ወስደዋል", "ድሬደዋ", "ወልደአረጋይ", "ሉአላዊነት", "ፉአድ", "ህዋስ", "ንዋይ", "ልዋጭ", "ዲሞክራሲ"]
)
def test_words_that_must_stay(word: str) -> None:
    assert _target(word) == _score(word) == word
