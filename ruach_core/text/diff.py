"""What a normaliser changes in a text, line by line, with the rules that did it.

For a speaker who reviews a pack: the two forms of a line are compared word by word, and inside a
word letter by letter (a letter with its combining marks is one). A normaliser that has the optional
method `explain`, as `ChainNormalizer` does, tells which of its rules changed a line.
"""

from __future__ import annotations

import inspect
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher

from ruach_core.text.unicode import (
    category,
    character_name,
    is_mark,
    is_word_character,
    strip_invisible,
)
from ruach_core.types import Purpose, TextNormalizer

OTHER = "(other)"
"""Stands for a rule where a normaliser's explanation doesn't lead to what it returns."""

DOTTED_CIRCLE = "\N{DOTTED CIRCLE}"

_MAX_COMPARISONS = 1_000_000
"""Above so many pairs of words, what differs is taken as one piece: a line of a whole book."""
_MIN_ALIKE = 0.5
"""Words less alike than this are shown as two words, not letter by letter."""
_N_EXAMPLES = 3
_SAYS_NOTHING = ("A rule", "The rules", "What every chain")
"""How the docstrings of functions begin that make rules of many kinds."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of a line before and after; the two are the same where nothing has changed.

    Attributes:
        before: what stood there.
        after: what stands there now.
        parts: the same stretch letter by letter, where the two are alike.
    """

    before: str
    after: str
    parts: tuple[Piece, ...] = ()

    @property
    def is_changed(self) -> bool:
        """Whether the two differ."""
        return self.before != self.after


@dataclass(frozen=True, slots=True)
class Step:
    """One rule's share in a line.

    Attributes:
        rule: name of the rule.
        after: the line after it.
    """

    rule: str
    after: str


@dataclass(frozen=True, slots=True)
class LineChange:
    """A line that the normaliser changes.

    Attributes:
        number: of the line, from 1.
        purpose: what it was normalised for.
        before: the line.
        after: the line normalised.
        steps: the rules that changed it, in order; empty where the normaliser doesn't tell.
    """

    number: int
    purpose: Purpose
    before: str
    after: str
    steps: tuple[Step, ...]

    @property
    def pieces(self) -> tuple[Piece, ...]:
        """What has changed, word by word."""
        return compare_texts(self.before, self.after)

    @property
    def rules(self) -> tuple[str, ...]:
        """The names of the rules, each once."""
        return tuple(dict.fromkeys(step.rule for step in self.steps))


@dataclass(slots=True)
class RuleSummary:
    """What one rule did to a text.

    Attributes:
        rule: name of the rule.
        purpose: the purpose that it was applied for.
        explanation: what it is for, in one line, or "" where that isn't known.
        n_lines: lines that it changed.
        replacements: what it put in the place of what, and how often.
    """

    rule: str
    purpose: Purpose
    explanation: str = ""
    n_lines: int = 0
    replacements: Counter[tuple[str, str]] = field(default_factory=Counter)

    @property
    def examples(self) -> list[tuple[str, str, int]]:
        """The commonest replacements, with their counts."""
        return [(*pair, count) for pair, count in self.replacements.most_common(_N_EXAMPLES)]


@dataclass(slots=True)
class TextReview:
    """Everything that a normaliser changes in a text; `review_text` makes it.

    Attributes:
        n_lines: lines of the text.
        n_changed: changed lines, by purpose.
        changes: the changed lines that are shown, in order.
        rules: the summary of each rule that changed a line, by purpose and name.
    """

    n_lines: int = 0
    n_changed: Counter[Purpose] = field(default_factory=Counter)
    changes: list[LineChange] = field(default_factory=list)
    rules: dict[tuple[Purpose, str], RuleSummary] = field(default_factory=dict)

    def sorted_rules(self) -> list[RuleSummary]:
        """The rules, those that change most lines first."""
        return sorted(self.rules.values(), key=lambda rule: -rule.n_lines)


def review_text(
    normalizer: TextNormalizer,
    lines: Iterable[str],
    *,
    purposes: Sequence[Purpose],
    limit: int | None = None,
) -> TextReview:
    """What a normaliser changes in a text.

    Args:
        normalizer: the normaliser; it may have methods `explain` and `rules`.
        lines: the text, without line ends.
        purposes: `target`, `score`, or both. For both, what `score` changes is shown on the text
            in its `target` form: what scoring folds beyond what the model is taught.
        limit: keep no more changed lines than this for each purpose; all are counted.

    Raises:
        PluginError: the normaliser failed.
    """
    review = TextReview()
    explanations = {purpose: _describe_rules(normalizer, purpose) for purpose in purposes}
    for number, line in enumerate(lines, start=1):
        review.n_lines += 1
        before = line
        for purpose in purposes:
            change = compare_line(normalizer, before, purpose=purpose, number=number)
            before = change.after
            if change.before == change.after:
                continue
            review.n_changed[purpose] += 1
            _count_rules(review, change, explanations[purpose])
            if limit is None or review.n_changed[purpose] <= limit:
                review.changes.append(change)
    return review


def compare_line(
    normalizer: TextNormalizer, line: str, *, purpose: Purpose, number: int = 1
) -> LineChange:
    """One line before and after, with the rules that changed it."""
    after = normalizer.normalize(line, purpose=purpose)
    steps: tuple[Step, ...] = ()
    explain = getattr(normalizer, "explain", None)
    if after != line and callable(explain):
        told = explain(line, purpose=purpose)
        steps = tuple(Step(rule, text) for rule, text in told or ())
        if told is not None and (not steps or steps[-1].after != after):
            steps = (*steps, Step(OTHER, after))
    return LineChange(number, purpose, line, after, steps)


def compare_texts(before: str, after: str) -> tuple[Piece, ...]:
    """The pieces of two texts, word by word, and letter by letter in words that are alike."""
    pieces: list[Piece] = []
    for piece in _compare(_split_words(before), _split_words(after)):
        pieces += _refine(piece) if piece.is_changed else [piece]
    return tuple(pieces)


def show_text(text: str) -> str:
    """The text with what can't be seen spelt out: `<U+200B ZERO WIDTH SPACE>`.

    A combining mark with no letter before it is put on a dotted circle.
    """
    return "".join(f"<{name}>" if name else shown for shown, name in split_visible(text))


def split_visible(text: str) -> Iterator[tuple[str, str]]:
    """Stretches of text that show, each with ""; and invisible characters, each with its name.

    A combining mark with no letter before it comes with a dotted circle.
    """
    shown: list[str] = []
    for char in text:
        if _is_visible(char):
            if is_mark(char) and not shown:
                shown.append(DOTTED_CIRCLE)
            shown.append(char)
            continue
        if shown:
            yield "".join(shown), ""
            shown.clear()
        yield char, character_name(char)
    if shown:
        yield "".join(shown), ""


def find_changes(before: str, after: str) -> Iterator[tuple[str, str]]:
    """What was replaced by what, as small as it can be shown."""
    for piece in compare_texts(before, after):
        for part in piece.parts or (piece,):
            if part.is_changed:
                yield part.before, part.after


def _count_rules(review: TextReview, change: LineChange, explanations: Mapping[str, str]) -> None:
    before = change.before
    seen = set()
    for step in change.steps:
        key = (change.purpose, step.rule)
        summary = review.rules.get(key)
        if summary is None:
            explanation = explanations.get(step.rule, "")
            summary = review.rules[key] = RuleSummary(step.rule, change.purpose, explanation)
        summary.n_lines += step.rule not in seen
        seen.add(step.rule)
        summary.replacements.update(find_changes(before, step.after))
        before = step.after


def _describe_rules(normalizer: TextNormalizer, purpose: Purpose) -> dict[str, str]:
    """What is known of each rule: its reason, or the docstring's first line of what made it."""
    rules = getattr(normalizer, "rules", None)
    found: dict[str, str] = {}
    for rule in rules(purpose) if callable(rules) else ():
        name, apply = getattr(rule, "name", None), getattr(rule, "apply", None)
        if isinstance(name, str) and callable(apply):
            reason = getattr(rule, "reason", "")
            told = " ".join(reason.split()) if isinstance(reason, str) else ""
            found.setdefault(name, told or _describe_function(apply))
    return found


def _describe_function(function: object) -> str:
    text = getattr(function, "__doc__", None)
    qualified = str(getattr(function, "__qualname__", ""))
    maker, is_inner, _ = qualified.partition(".<locals>.")
    if is_inner and not text:
        module = sys.modules.get(str(getattr(function, "__module__", "")))
        text = getattr(getattr(module, maker, None), "__doc__", None)
    if not isinstance(text, str) or not text.strip() or text.startswith(_SAYS_NOTHING):
        return ""
    return inspect.cleandoc(text).splitlines()[0]


def _is_visible(char: str) -> bool:
    kind = category(char)
    if char == " ":
        return True
    return not (kind[0] in "CZ" or strip_invisible(char) == "" or char in _HIDDEN)


# Fillers and joiners that are letters or marks to Unicode, and show nothing.
_HIDDEN = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u3164\uffa0").union(
    map(chr, range(0xFE00, 0xFE10)), map(chr, range(0xE0100, 0xE01F0))
)


def _split_words(text: str) -> list[str]:
    """Words, and single characters of all else, with the marks that follow them."""
    words: list[str] = []
    was_word = False
    for char in text:
        is_word = is_word_character(char)
        if words and (is_mark(char) or (is_word and was_word)):
            words[-1] += char
        else:
            words.append(char)
        was_word = is_word
    return words


def _split_letters(text: str) -> list[str]:
    letters: list[str] = []
    for char in text:
        if letters and is_mark(char) and letters[-1] != " ":
            letters[-1] += char
        else:
            letters.append(char)
    return letters


def _compare(before: Sequence[str], after: Sequence[str]) -> Iterator[Piece]:
    start = 0
    shorter = min(len(before), len(after))
    while start < shorter and before[start] == after[start]:
        start += 1
    end = 0
    while end < shorter - start and before[-1 - end] == after[-1 - end]:
        end += 1
    first, second = before[start : len(before) - end], after[start : len(after) - end]
    if start:
        yield _equal(before[:start])
    if len(first) * len(second) > _MAX_COMPARISONS:
        yield Piece("".join(first), "".join(second))
    else:
        # Spaces and punctuation stand everywhere: only words say what belongs together.
        matcher = SequenceMatcher(_is_punctuation, first, second, autojunk=False)
        for kind, i, j, k, m in matcher.get_opcodes():
            if kind == "equal":
                yield _equal(first[i:j])
            else:
                yield Piece("".join(first[i:j]), "".join(second[k:m]))
    if end:
        yield _equal(before[len(before) - end :])


def _is_punctuation(item: str) -> bool:
    return not is_word_character(item[0])


def _equal(items: Sequence[str]) -> Piece:
    text = "".join(items)
    return Piece(text, text)


def _refine(piece: Piece) -> list[Piece]:
    """The piece word for word where it has as many, and letter by letter where they are alike."""
    first, second = _split_words(piece.before), _split_words(piece.after)
    if len(first) != len(second):
        return [_compare_letters(piece)]
    pairs = list(zip(first, second, strict=True))
    if any(old != new and (_is_punctuation(old) or _is_punctuation(new)) for old, new in pairs):
        return [_compare_letters(piece)]
    return [_compare_letters(Piece(old, new)) for old, new in pairs]


def _compare_letters(piece: Piece) -> Piece:
    first, second = _split_letters(piece.before), _split_letters(piece.after)
    if not first or not second or not piece.is_changed:
        return piece
    parts = tuple(_compare(first, second))
    n_alike = sum(len(_split_letters(part.before)) for part in parts if not part.is_changed)
    if n_alike < _MIN_ALIKE * max(len(first), len(second)):
        return piece
    return Piece(piece.before, piece.after, parts)
