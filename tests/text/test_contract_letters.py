"""Which changes of letters the contract lets `target` make, and which it doesn't."""

from __future__ import annotations

import pytest

from ruach_core.manifest import PackManifest, PackRepair
from ruach_core.testing.contract_letters import LetterComparison
from ruach_core.testing.plugins import PACK_TOML

REPAIRS = (
    {"letter": "ɛ", "becomes": "ε", "why": "typed"},
    {"letter": "ኘ", "becomes": "ፕ", "why": "typed"},
    {"letter": "ዐ", "becomes": "0", "why": "typed"},
    {"letter": "ñ", "becomes": "ny", "why": "typed"},
    {"letter": "ж", "becomes": "", "why": "noise"},
)


def manifest(alphabet: str) -> PackManifest:
    values = {key: value.strip('"') for key, value in PACK_TOML.items()}
    values |= {"alphabet": alphabet, "hook_api": 1, "tokens_per_char": 1.0, "maintainers": ["x"]}
    return PackManifest.model_validate({**values, "repairs": list(REPAIRS)})


STRICT = LetterComparison(manifest("a-z ẹ ẹ́ é ʼ"))
LENIENT = LetterComparison(manifest("a-z ẹ ẹ́ é ʼ"), is_lenient=True)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("abc", "abc"),
        ("a  b", "a b"),
        ("a\u200bb", "ab"),
        ("e\u0301", "é"),
        ("é", "e\u0301"),
        ("가", "\u1100\u1161"),
        ("\u1f71", "ά"),
        # Marks that make no letter of the alphabet may go, come in another order or another code.
        ("ገ\u135dና", "ገና"),
        ("שָׁלוֹם", "שלום"),
        ("e\u0329", "e\u0323"),
        ("e\u034f\u0301", "é"),
        # Declared repairs, both ways round, with marks, and as capitals.
        ("አውሮኘላን", "አውሮፕላን"),
        ("አኘ", "አኘ"),
        ("9ዐ", "90"),
        ("Ɛɛ\u0301", "Εέ"),
        ("εé", "ɛé"),
        ("añb", "anyb"),
        ("aжb", "ab"),
        # Modifier letters that the alphabet doesn't have are signs.
        ("aʹb", "a'b"),
    ],
)
def test_these_changes_are_allowed(before: str, after: str) -> None:
    assert STRICT.find_fault(before, after) is None
    assert LENIENT.find_fault(before, after) is None


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("abc", "abd", "letter 3 was U+0063 LATIN SMALL LETTER C, and is U+0064"),
        ("ab", "a", "U+0062 LATIN SMALL LETTER B vanished"),
        ("a", "ab", "U+0062 LATIN SMALL LETTER B appeared"),
        ("ab", "ba", "letter 1"),
        ("ሐ", "ሀ", "ETHIOPIC SYLLABLE HHA"),
        ("ፕ", "ኘa", "appeared"),
        ("ß", "x", "letter 1"),
        ("ժ", "", "vanished"),
        ("aʼb", "ab", "U+02BC"),
    ],
)
def test_these_changes_are_faults(before: str, after: str, said: str) -> None:
    assert said in (STRICT.find_fault(before, after) or "")
    assert LENIENT.find_fault(before, after)


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("ẹ", "e", "e lost its U+0323"),
        ("Ẹ", "E", "E lost its U+0323"),
        ("ẹ\u0301", "ẹ", "e lost its U+0301"),
        ("e", "ẹ", "e has got U+0323"),
        ("Ab", "ab", "letter 1"),
        ("ﬁ", "fi", "letter 1"),
    ],
)
def test_only_an_option_may_drop_case_and_marks_of_letters(
    before: str, after: str, said: str
) -> None:
    assert said in (STRICT.find_fault(before, after) or "")
    assert LENIENT.find_fault(before, after) is None


def test_repair_of_a_mark_alone_is_refused() -> None:
    mark = PackRepair(letter="\u0329", becomes="", why="a wrong encoding")
    with pytest.raises(AssertionError, match="not a letter"):
        LetterComparison(manifest("a-z").model_copy(update={"repairs": [mark]}))
