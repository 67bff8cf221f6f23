"""A shortcut through a `score` chain for the commonest transcripts: Ethiopic words and plain marks.

Most transcripts are words of letters, one space apart, with a ፣ or ። here and there. Of a chain of
some forty rules three or four can change such a text: the folds of letters, a rule for a certain
letter or two, and the one that takes the marks away. `plain_words_shortcut` makes a function that
knows such a text by a single search and does only that; any other text is the whole chain's.

It must give what the chain gives; a pack that uses it tests that on texts of its own letters.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from ruach_core.text.normalization import Rule

FIRST_LETTER, LAST_LETTER = 0x1200, 0x135A
"""The block Ethiopic, whose letters a plain text is made of; other blocks' letters are rare."""

FREQUENT_MARKS = "።፣"
RARE_MARKS = "፤፥?!"
"""Marks that a plain text may hold right after a word, where a space or the end follows."""

_FEW = 4


def plain_words_shortcut(
    folds: Mapping[str, str],
    *,
    before: Sequence[tuple[str, Rule]] = (),
    after: Sequence[tuple[str, Rule]] = (),
) -> Callable[[str], str | None]:
    """What the `score` chain makes of a plain text, or None for any other text.

    Right for a chain that takes the marks above for spaces, and does nothing else to a plain text
    than what is given here, in this order.

    Args:
        folds: letters that the chain changes into others wherever they stand; what they become
            must be no key.
        before: rules that can change a plain text and run before the folds, in order, each with a
            string that stands in every text that it changes.
        after: likewise, after the folds.
    """
    letters = (chr(code_point) for code_point in range(FIRST_LETTER, LAST_LETTER + 1))
    unchanged = "".join(letter for letter in letters if letter not in folds)
    find_others = re.compile(f"[^ {unchanged}{FREQUENT_MARKS}]").findall
    is_stop_unsettled, is_comma_unsettled = (
        re.compile(f"{mark}[^ ]").search for mark in FREQUENT_MARKS
    )
    find_unsettled = re.compile(f"[{re.escape(RARE_MARKS)}][^ ]").search
    changes = {**folds, **dict.fromkeys(RARE_MARKS, "")}.get

    def shorten(text: str) -> str | None:
        # Written out for each mark: this function is all that most transcripts go through.
        if "።" in text:
            if is_stop_unsettled(text):
                return None
            text = text.replace("።", "")
        if "፣" in text:
            if is_comma_unsettled(text):
                return None
            text = text.replace("፣", "")
        for needed, rule in before:
            if needed in text:
                text = rule.apply(text)
        if others := find_others(text):
            # Of many a set, so that time stays linear; for a few it would cost more.
            for other in others if len(others) < _FEW else set(others):
                change = changes(other)
                if change is None or (change == "" and find_unsettled(text)):
                    return None
                text = text.replace(other, change)
        # A mark that no word stands before has left two spaces, or one at the start, behind.
        if not text or "  " in text or text[0] == " " or text[-1] == " ":
            return None
        for needed, rule in after:
            if needed in text:
                text = rule.apply(text)
        return text

    return shorten
