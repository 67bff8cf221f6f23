"""Levels number words that have two standard forms (ሃምሳ and አምሳ), where the user asks for it.

They are two words, not two spellings of one, so `score` keeps them apart by default.
"""

from __future__ import annotations

import re

from ruach_core.text.ethiopic import LETTERS
from ruach_core.text.normalization import Rule
from ruach_core.text.tables import read_table
from ruach_lang_am.clitics import attach, prefix_pattern

_WORD = f"(?<![{LETTERS}])((?:{prefix_pattern()}){{{{0,3}}}})({{variants}})([{LETTERS}]*)"


def level_number_variants() -> Rule:
    """The forms of `tables/number_variants.tsv`, with clitics and endings, in folded text."""
    rows = read_table("ruach_lang_am", "number_variants.tsv", columns=("from", "to", "source"))
    levelled = {row["from"]: row["to"] for row in rows}
    longest_first = sorted(levelled, key=lambda variant: -len(variant))
    pattern = re.compile(_WORD.format(variants="|".join(longest_first)))

    def level(match: re.Match[str]) -> str:
        prefix, variant, tail = match.groups()
        if not tail.startswith("ኛ") and attach(variant, tail) is None:
            return match[0]
        return prefix + levelled[variant] + tail

    return Rule("number variants", lambda text: pattern.sub(level, text))
