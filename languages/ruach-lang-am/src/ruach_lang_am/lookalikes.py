"""Repair of two fidel that are typed or scanned for another character, the only change of letters
that `target` makes.

Both were counted in corpora: ኘ for ፕ in ALFFA (አውሮኘላን, ኘሮጀክት, ኘሬስ), ዐ for the digit 0 in the
African Almanac (9ዐ%).
"""

from __future__ import annotations

import re

from ruach_core.text.ethiopic import LETTERS
from ruach_core.text.normalization import Rule

PREFIXES = "(?:እንደ|ስለ|እነ|ወደ|[የበለከ])"
"""Clitics that a word may begin with, as a regular expression."""

# No Amharic word has ኘ before ሮ or ሬ. Before ላ it can end a verb (አገኘላት "he found for her",
# ተመኘላቸው "he wished them"): there it is ፕ only at a word's start, or where no object suffix
# (-ላት, -ላቸው, -ላችሁ) follows.
_NYA_FOR_PE = re.compile(
    f"(?<![{LETTERS}])({PREFIXES}{{0,2}})ኘ(?=ላ)|ኘ(?=[ሮሬ])|ኘ(?=ላ(?![ትታቸች])[{LETTERS}])"
)

_NUMBER_WITH_AYIN = re.compile("[0-9ዐ]+(?:[.,:፡/][0-9ዐ]+)*")
# What makes ዐ after a digit the start of a word or of ዓ.ም. and not a zero: ዐመት "year", ዐይን
# "eye", ዐዋጅ "proclamation".
_WORD_FROM_AYIN = re.compile("መት|መታት|ይን|ዋጅ|[./][ምዐዓአ]")
_LETTER = re.compile(f"[{LETTERS}]")
_LAST_AYINS = re.compile("[.,:፡/]?ዐ+$")
_FIRST_AYINS = re.compile("ዐ+")
_PREFIX_ALONE = re.compile(f"(?:^|[^{LETTERS}])[የበለከ]$")


def repair_pe() -> Rule:
    """ኘ typed for ፕ before ሮ, ሬ and ላ, where it can't be ኘ."""
    return Rule(
        "ኘ for ፕ",
        lambda text: _NYA_FOR_PE.sub(r"\1ፕ", text) if "ኘ" in text else text,
        "ኘ that was typed for the similar ፕ is put right where it can't be ኘ: ኘሮጀክት is ፕሮጀክት.",
    )


def repair_zero() -> Rule:
    """ዐ typed for the digit 0 next to digits, as in 9ዐ% and 8:ዐዐ."""
    return Rule(
        "ዐ for 0",
        lambda text: _NUMBER_WITH_AYIN.sub(_fill_zeros, text) if "ዐ" in text else text,
        "The letter ዐ that was typed for the digit 0 beside digits is put right: 9ዐ is 90.",
    )


def _fill_zeros(match: re.Match[str]) -> str:
    number, text = match[0], match.string
    if "ዐ" not in number or number.strip("ዐ.,:፡/") == "":
        return number
    head = tail = ""
    first, last = _FIRST_AYINS.match(number), _LAST_AYINS.search(number)
    before = text[max(0, match.start() - 2) : match.start()]
    if first and before and _LETTER.match(before[-1]) and not _PREFIX_ALONE.search(before):
        head = first[0]  # the end of a word that the number is glued to
    if last and _starts_word(last[0], text, match.end()):
        tail = last[0]
    middle = number[len(head) : len(number) - len(tail)]
    return head + middle.replace("ዐ", "0") + tail


def _starts_word(ayins: str, text: str, end: int) -> bool:
    if _WORD_FROM_AYIN.match(text, end):
        return True
    # After a separator ("3.ዐለም") any letter makes it a word; right after a digit ("5ዐኛ") none does.
    return not ayins.startswith("ዐ") and bool(_LETTER.match(text, end))
