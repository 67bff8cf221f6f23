"""Levels number words that have two standard forms (ሃምሳ and አምሳ), where the user asks for it.

They are two words, not two spellings of one, so `score` keeps them apart by default.
"""

from __future__ import annotations

import re

from ruach_core.text.ethiopic import LETTERS
from ruach_core.text.normalization import Rule
from ruach_core.text.tables import read_table
from ruach_lang_am.clitics import attach, prefix_pattern

_FIRST, _SIXTH = 0, 5  # orders, as offsets from the first one's code point


def level_number_variants() -> Rule:
    """The forms of `tables/number_variants.tsv`, with clitics and endings, in folded text."""
    rows = read_table("ruach_lang_am", "number_variants.tsv", columns=("from", "to", "source"))
    levelled: dict[str, tuple[str, str]] = {}
    for row in rows:
        variant, to = row["from"], row["to"]
        # An ending changes the last consonant: ሚሊየን, ሚሊየኑ.
        n = 1 if _order(variant[-1]) == _SIXTH else 0
        levelled[variant[: len(variant) - n]] = (variant, to[: len(to) - n])
    stems = "|".join(sorted(levelled, key=lambda stem: -len(stem)))
    pattern = re.compile(f"(?<![{LETTERS}])((?:{prefix_pattern()}){{0,3}})({stems})([{LETTERS}]*)")

    def level(match: re.Match[str]) -> str:
        prefix, stem, rest = match.groups()
        variant, to = levelled[stem]
        return f"{prefix}{to}{rest}" if _is_inflected(variant, stem, rest) else match[0]

    return Rule(
        "number variants",
        lambda text: pattern.sub(level, text),
        "With this option, number words with two standard forms count as one: አምሳ is ሀምሳ.",
    )


def _is_inflected(variant: str, stem: str, rest: str) -> bool:
    """Whether the stem and the rest are the variant, bare or with an ending of its own."""
    last = variant[len(stem) :]
    tail = rest.removeprefix(last)
    if tail == rest and last:
        ordinal = chr(ord(last) - _SIXTH + _FIRST) + "ኛ"
        return rest.startswith(ordinal) or attach(variant, rest) is not None
    return tail.startswith("ኛ") or attach(variant, tail) is not None


def _order(letter: str) -> int:
    return ord(letter) & 7
