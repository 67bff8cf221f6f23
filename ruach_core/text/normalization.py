"""Normalisers as chains of named rules: composed from a list, never inherited.

A language pack picks rules from here and from its script's module, adds its own, and puts them in
a `ChainNormalizer`. Every rule maps a text to a text, in time linear in its length.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from ruach_core.text import unicode
from ruach_core.text.tables import parse_code_points, read_table
from ruach_core.text.unicode import UnicodeForm
from ruach_core.types import Purpose


@dataclass(frozen=True, slots=True)
class Rule:
    """One step of a chain.

    Attributes:
        name: short name, as `ChainNormalizer.explain` shows it.
        apply: the step; total.
        reason: what it does and why, in one short sentence for a speaker who reviews the pack.
    """

    name: str
    apply: Callable[[str], str]
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ChainNormalizer:
    """A TextNormalizer that applies one chain of rules a purpose.

    For `score(target(x)) == score(x)` and idempotence, begin the `score` chain with the whole
    `target` chain, and let the rules after it make nothing that the `target` chain would change.

    Attributes:
        name: name and version, as reports show it.
        target: the rules for what the model is taught to write.
        score: the rules for what WER and CER compare, from the raw text on.
        shortcut: what the `score` chain makes of a text of the commonest shape, or None for any
            other text; a faster way to the same result (`ruach_core.text.plain_words`).
    """

    name: str
    target: tuple[Rule, ...]
    score: tuple[Rule, ...]
    shortcut: Callable[[str], str | None] | None = None

    def normalize(self, text: str, *, purpose: Purpose) -> str:
        """The text in its `target` or `score` form."""
        shortcut = self.shortcut
        if shortcut is not None and purpose == "score":
            short = shortcut(text)
            if short is not None:
                return short
        for rule in self.target if purpose == "target" else self.score:
            text = rule.apply(text)
        return text

    def explain(self, text: str, *, purpose: Purpose) -> list[tuple[str, str]]:
        """The rules that changed the text, each with the text after it."""
        steps: list[tuple[str, str]] = []
        for rule in self.target if purpose == "target" else self.score:
            after = rule.apply(text)
            if after != text:
                steps.append((rule.name, after))
            text = after
        return steps


def replace_characters(name: str, mapping: Mapping[str, str], *, reason: str = "") -> Rule:
    """A rule that maps single code points to strings ("" deletes), in one pass."""
    changes = dict(mapping)
    # Most texts hold few of them: a search is ten times as fast as `translate`, which looks up
    # every character.
    pattern = re.compile(_any_of(str.maketrans(changes)))
    return Rule(name, lambda text: pattern.sub(lambda match: changes[match[0]], text), reason)


def replace_sequences(name: str, mapping: Mapping[str, str], *, reason: str = "") -> Rule:
    """A rule that maps strings to strings in one pass from the left, longer ones first."""
    longest_first = sorted(mapping, key=lambda sequence: (-len(sequence), sequence))
    pattern = re.compile("|".join(map(re.escape, longest_first)))
    return Rule(name, lambda text: pattern.sub(lambda match: mapping[match[0]], text), reason)


def replace_pattern(
    name: str,
    pattern: str,
    replacement: str | Callable[[re.Match[str]], str],
    *,
    needs: str = "",
    reason: str = "",
) -> Rule:
    """A rule that replaces each match of a regular expression; it must run in linear time.

    Args:
        name: the rule's name.
        pattern: the expression.
        replacement: as `re.sub` takes it.
        needs: characters of which every match, its lookarounds included, has at least one: a
            text with none of them is passed over, which is faster than to try the expression.
        reason: see `Rule`.
    """
    compiled = re.compile(pattern)
    if not needs:
        return Rule(name, lambda text: compiled.sub(replacement, text), reason)
    if len(needs) == 1:
        return Rule(
            name, lambda text: compiled.sub(replacement, text) if needs in text else text, reason
        )
    needed = re.compile(_any_of(map(ord, needs))).search
    return Rule(
        name, lambda text: compiled.sub(replacement, text) if needed(text) else text, reason
    )


SPACES = Rule(
    "spaces",
    unicode.collapse_spaces,
    "White space of any kind becomes one space, with none at the ends of a line.",
)
"""White space of any kind becomes one space; none at the ends, so no line end is left."""


def unicode_form(form: UnicodeForm) -> Rule:
    """The declared Unicode form."""
    return Rule(
        form,
        lambda text: unicode.normalize_form(text, form),
        "Letters with marks that look the same but were typed in different ways are stored alike.",
    )


def clean_rules(form: UnicodeForm, *, keep_joiners: bool = False) -> tuple[Rule, ...]:
    """What every chain begins with: sound code points, nothing invisible, one form, plain spaces.

    Args:
        form: the pack's declared Unicode form.
        keep_joiners: see `ruach_core.text.unicode.strip_invisible`.
    """
    return (
        Rule(
            "surrogates",
            unicode.repair_surrogates,
            "Halves of characters that a faulty program left are joined, or marked as lost.",
        ),
        Rule(
            "invisible",
            lambda text: unicode.strip_invisible(text, keep_joiners=keep_joiners),
            "Characters that show nothing and part no words are removed: no reader misses them.",
        ),
        # After the deletions: they can bring a letter and its mark together.
        unicode_form(form),
        SPACES,
    )


def fold_case(form: UnicodeForm, *, dotless_i: bool = False) -> Rule:
    """Unicode case folding, back in the declared form (Unicode ch. 3.13, CaseFolding.txt).

    Two foldings differ. ß stays, since ss is other words (Maße, Masse); ẞ is its capital. İ is the
    capital of i, and a second dot on an i, which other software leaves there, goes.

    Args:
        form: the pack's declared Unicode form.
        dotless_i: I is the capital of ı, as in Turkish (SpecialCasing.txt).
    """

    def apply(text: str) -> str:
        if dotless_i:
            text = _DOTTED_CAPITAL.sub("i", text).replace("I", "ı")
        if "ß" in text or "ẞ" in text:
            folded = "ß".join(part.casefold() for part in text.replace("ẞ", "ß").split("ß"))
        else:
            folded = text.casefold()
        if "\u0307" in folded:
            folded = _SECOND_DOT.sub("i", folded)
        return unicode.normalize_form(folded, form)

    return Rule(
        "case", apply, "Capital letters count as small ones, since nobody hears the difference."
    )


def keep_words_whole() -> tuple[Rule, ...]:
    """Letters that a joiner is part of, and signs inside words, before joiners and signs go."""
    columns = ("sequence", "becomes", "name", "source")
    letters = {
        _parse_sequence(row["sequence"]): _parse_sequence(row["becomes"])
        for row in read_table("ruach_core.text", "joined_letters.tsv", columns=columns)
    }
    columns = ("code_points", "becomes", "name", "source")
    signs = {
        chr(code_point): row["becomes"]
        for row in read_table("ruach_core.text", "inner_signs.tsv", columns=columns)
        for code_point in parse_code_points(row["code_points"])
    }
    return (
        replace_pattern(
            "joined letters",
            "|".join(letters),
            lambda match: letters[match[0]],
            needs="\u200d",
            reason="Letters once written with a hidden joiner, such as chillus, become today's.",
        ),
        replace_characters(
            "inner signs",
            signs,
            reason="Signs over or between the letters of a word, such as ՞, part no word.",
        ),
        replace_pattern(
            "gershayim",
            f'(?<=[{_HEBREW}])["\u05f4](?=[{_HEBREW}])',
            "",
            needs='"\u05f4',
            reason="The gershayim inside a Hebrew acronym go, so that it counts as one word.",
        ),
    )


def unify_apostrophes() -> Rule:
    """Quotation marks that are typed as apostrophes become `'` (`tables/apostrophes.tsv`)."""
    return replace_characters(
        "apostrophes",
        dict.fromkeys(_characters("apostrophes.tsv"), "'"),
        reason="Quotation marks typed as apostrophes, such as ’, become the plain one, '.",
    )


def drop_variation_selectors() -> Rule:
    """Variation selectors go: they choose a glyph for the letter or symbol before them."""
    return replace_characters(
        "variation selectors",
        dict.fromkeys(_characters("variation_selectors.tsv"), ""),
        reason="Hidden signs that only choose how the character before them is drawn are removed.",
    )


def remove_punctuation(
    *, between_letters: str = "'·", between_digits: str = ".,:", after_digits: str = ""
) -> Rule:
    """Everything that no word is made of becomes a space; marks stay with their letters.

    Args:
        between_letters: characters that stay between two word characters ("'" in ng'ombe, "·" in
            Catalan col·legi).
        between_digits: characters that stay between two digits ("." in 3.14).
        after_digits: characters that stay after a digit ("%").
    """
    inner, points, units = map(re.escape, (between_letters, between_digits, after_digits))
    kept = f"{inner}{points}{units}"
    parts: list[str] = []
    if inner:
        parts.append(f"(?<![^ {kept}])[{inner}]|[{inner}](?![^ {kept}])")
    if points:
        parts.append(f"(?<!\\d)[{points}]|[{points}](?!\\d)")
    if units:
        parts.append(f"(?<!\\d)[{units}]")
    stranded = re.compile("|".join(parts) or r"(?!)")
    any_kept = re.compile(f"[{kept}]" if kept else r"(?!)")
    spaces = _SpacesForPunctuation(between_letters + between_digits + after_digits)

    def apply(text: str) -> str:
        if "_" in text:
            text = text.replace("_", spaces["_"])
        text = _NO_WORD_CHARACTER.sub(lambda match: spaces[match[0]], text)
        if any_kept.search(text):
            text = stranded.sub(" ", text)
        return unicode.collapse_spaces(text)

    return Rule(
        "punctuation",
        apply,
        "Nobody hears punctuation: it becomes a space, unless a word or number needs it.",
    )


def surface_folds(form: UnicodeForm, *, dotless_i: bool = False, **kept: str) -> tuple[Rule, ...]:
    """Case, apostrophes and punctuation folded, for `score` in any script.

    Args:
        form: the pack's declared Unicode form.
        dotless_i: as for `fold_case`.
        **kept: arguments of `remove_punctuation`.
    """
    return (
        *keep_words_whole(),
        Rule(
            "joiners",
            unicode.strip_invisible,
            "Hidden joiners, which only change how letters connect, are removed for scoring.",
        ),
        drop_variation_selectors(),
        unicode_form(form),
        fold_case(form, dotless_i=dotless_i),
        unify_apostrophes(),
        remove_punctuation(**kept),
        # U+02BC is a letter, so it outlives the rule above, at the end of a word too.
        replace_pattern(
            "modifier apostrophe",
            "(?<=[^ 'ʼ])ʼ(?=[^ 'ʼ])",
            "'",
            reason="Inside a word, the apostrophe letter ʼ counts as the plain apostrophe.",
        ),
    )


class _SpacesForPunctuation(dict[str, str]):
    """What stands in place of a character, decided when it first comes up."""

    def __init__(self, kept: str) -> None:
        super().__init__((char, char) for char in kept)

    def __missing__(self, char: str) -> str:
        self[char] = char if unicode.is_word_character(char) else " "
        return self[char]


# Every letter and number is `\w`, so all that has to be looked up is marks and what is no word;
# "_" is `\w` too, and no word.
_NO_WORD_CHARACTER = re.compile(r"[^\w ]")
_DOTTED_CAPITAL = re.compile("I\u0307+|İ")
_SECOND_DOT = re.compile("i\u0307+")
_HEBREW = "\u0591-\u05c7א-ת"
"""Hebrew letters and the points that stand on them."""


def _any_of(code_points: Iterable[int]) -> str:
    """A regular expression for one of the code points; of neighbors as a range, which is fast."""
    ranges: list[list[int]] = []
    for code_point in sorted(set(code_points)):
        if ranges and code_point == ranges[-1][1] + 1:
            ranges[-1][1] = code_point
        else:
            ranges.append([code_point, code_point])
    inside = "".join(f"{re.escape(chr(a))}-{re.escape(chr(b))}" for a, b in ranges)
    return f"[{inside}]" if inside else "(?!)"


def _parse_sequence(cell: str) -> str:
    return "".join(chr(c) for part in cell.split() for c in parse_code_points(part))


def _characters(table: str) -> Sequence[str]:
    rows = read_table("ruach_core.text", table, columns=("code_points", "name", "source"))
    return [chr(c) for row in rows for c in parse_code_points(row["code_points"])]
