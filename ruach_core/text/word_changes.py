"""What a normaliser did to words: split, joined, respelled or recased ones.

White space, punctuation, invisible characters and the Unicode form are no part of the comparison;
an apostrophe inside a word is, whichever of its code points stands for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import accumulate, product
from typing import Literal

from ruach_core.text import unicode
from ruach_core.text.normalization import Rule, surface_folds

ChangeKind = Literal["split", "joined", "respelled", "recased"]

_LOOK_AHEAD = 8
"""Words within which two texts must meet again after a difference; keeps the time linear."""

_SEEN = _LOOK_AHEAD + 1
_END = " "
_STEPS = sorted(
    product(range(_LOOK_AHEAD + 1), repeat=2),
    # As many on both sides first: most changes are of one word to one.
    key=lambda step: (sum(step), abs(step[0] - step[1])),
)


@dataclass(frozen=True, slots=True)
class WordChange:
    """Words of a text that its normaliser changed, and what they became.

    Attributes:
        kind: what was done to them. `respelled` covers all but the other three: a letter that
            was repaired, a number or an abbreviation that was written out, a word that was dropped.
        before: the words, separated by spaces.
        after: what became of them.
        n_words: how many words of the text it concerns.
    """

    kind: ChangeKind
    before: str
    after: str
    n_words: int

    @property
    def breaks_a_word(self) -> bool:
        """Whether a word that holds nothing but letters and marks was split."""
        return self.kind == "split" and all(
            unicode.category(char)[0] in "LM" for char in self.before if char != " "
        )


def list_words(text: str) -> list[str]:
    """The words of a text without punctuation; letters, marks and inner apostrophes are kept."""
    for rule in _surface_rules():
        text = rule.apply(text)
    return text.split()


@cache
def _surface_rules() -> tuple[Rule, ...]:
    return tuple(rule for rule in surface_folds("NFC", between_digits="") if rule.name != "case")


def find_word_changes(transcript: str, reference: str) -> Iterator[WordChange]:
    """The differences in words between a text and its normalised form, in order.

    Args:
        transcript: the text as the source wrote it.
        reference: its normalised form.
    """
    # A word that is no word marks the end, where two texts meet as well.
    before, after = [*list_words(transcript), _END], [*list_words(reference), _END]
    i = j = 0
    while before[i] != _END or after[j] != _END:
        if before[i] == after[j]:
            i, j = i + 1, j + 1
            continue
        n_before, n_after = _meet_again(before[i : i + _SEEN], after[j : j + _SEEN])
        yield from _describe(before[i : i + n_before], after[j : j + n_after])
        i, j = i + n_before, j + n_after


def _meet_again(before: Sequence[str], after: Sequence[str]) -> tuple[int, int]:
    """How many words of each differ before both go on alike, as few as can be."""
    if _bare(before[0]) != _bare(after[0]) and not set(before).isdisjoint(after):
        end_before, end_after = len(before), len(after)
        for n_before, n_after in _STEPS:
            if n_before < end_before and n_after < end_after and before[n_before] == after[n_after]:
                return n_before, n_after
    return int(before[0] != _END), int(after[0] != _END)


def _describe(before: Sequence[str], after: Sequence[str]) -> Iterator[WordChange]:
    if _bare("".join(before)) == _bare("".join(after)):
        for old, new in _group(before, after):
            if len(old) == len(new) == 1:
                yield from _describe_pair(old[0], new[0])
            # An apostrophe was typed as some other sign, which counts as punctuation.
            elif list(old) != new[0].split("'"):
                kind: ChangeKind = "joined" if len(new) == 1 else "split"
                yield WordChange(kind, " ".join(old), " ".join(new), len(old))
    elif len(before) == len(after):
        for old_word, new_word in zip(before, after, strict=True):
            yield from _describe_pair(old_word, new_word)
    else:
        yield WordChange("respelled", " ".join(before), " ".join(after), max(1, len(before)))


def _describe_pair(before: str, after: str) -> Iterator[WordChange]:
    if before != after:
        is_recased = before.casefold() == after.casefold()
        yield WordChange("recased" if is_recased else "respelled", before, after, 1)


def _bare(word: str) -> str:
    """The letters by which two spellings are held together."""
    return word.casefold().replace("'", "")


def _group(
    before: Sequence[str], after: Sequence[str]
) -> Iterator[tuple[Sequence[str], Sequence[str]]]:
    """Two spellings of the same letters, cut wherever words end in both."""
    ends_before = list(accumulate(len(_bare(word)) for word in before))
    ends_after = list(accumulate(len(_bare(word)) for word in after))
    i = j = 0
    for end in sorted(set(ends_before) & set(ends_after)):
        next_i, next_j = ends_before.index(end) + 1, ends_after.index(end) + 1
        yield before[i:next_i], after[j:next_j]
        i, j = next_i, next_j
