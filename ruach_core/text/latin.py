"""What languages in the Latin script share: apostrophes that are letters, hyphens, folds of case.

Packs compose the rules; none of them changes a letter of the alphabet. In many orthographies the
apostrophe is a consonant or stands for a vowel that fell (Swahili ng', Oromo re'ee, Yoruba N'ilé),
and writers type it with whatever their keyboard has, so `target` writes all of them `'`. A
language whose alphabet tells ʼ or ʻ from `'` must leave these rules out.

The signs are in `tables/latin_signs.tsv`. The rules expect text that has been through
`normalization.clean_rules`.
"""

from __future__ import annotations

import re
from functools import cache

from ruach_core.text.normalization import (
    Rule,
    drop_variation_selectors,
    fold_case,
    remove_punctuation,
    replace_characters,
    replace_pattern,
    unicode_form,
    unify_apostrophes,
)
from ruach_core.text.numerals import shield_numerals
from ruach_core.text.tables import parse_code_points, read_table
from ruach_core.text.unicode import UnicodeForm

# A word character to the regular expression engine is no mark, and many letters have no composed
# form (ɛ́, ẹ́).
_AFTER_LETTER = r"(?:(?<=[^\W\d_])|(?<=[\u0300-\u036F]))"
_BEFORE_LETTER = r"(?=[^\W\d_])"


def unify_apostrophe_letters() -> Rule:
    """ʼ ʻ ʽ ʹ ꞌ become `'`: letters to Unicode, but one sign to the writers of these languages."""
    return replace_characters(
        "apostrophe letters",
        _signs("'", "anywhere"),
        reason="Letters such as ʼ and ʻ that stand for the apostrophe become the plain one, '.",
    )


def unify_typed_accents() -> Rule:
    """A spacing accent or prime between two letters becomes `'`: ng`ombe, re´ee.

    Left alone elsewhere, where it may be a quotation mark, or a tone that came loose.
    """
    accents = "".join(map(re.escape, _signs("'", "between letters")))
    return replace_pattern(
        "typed accents",
        f"{_AFTER_LETTER}[{accents}]{_BEFORE_LETTER}",
        "'",
        reason="An accent alone between letters is typed for the apostrophe, and becomes it.",
    )


def apostrophe_rules(*, accents: bool = True) -> tuple[Rule, ...]:
    """Whatever is typed for an apostrophe becomes `'`.

    Args:
        accents: also a spacing accent between letters; False where it can be a loose tone mark.
    """
    always = (unify_apostrophes(), unify_apostrophe_letters())
    return (*always, unify_typed_accents()) if accents else always


def unify_hyphens() -> Rule:
    """The hyphens of typesetters become `-`; dashes between words stay dashes."""
    return replace_characters(
        "hyphens",
        _signs("-", "anywhere"),
        reason="The hyphens of typesetters look like the plain hyphen, and become it.",
    )


def unify_number_dashes() -> Rule:
    """A dash between two digits becomes `-`: 5–9 is the range 5-9."""
    dashes = "".join(map(re.escape, _signs("-", "between digits")))
    return replace_pattern(
        "number dashes",
        rf"(?<=\d)[{dashes}](?=\d)",
        "-",
        reason="A dash between digits counts as a hyphen, so that 5–9 and 5-9 are the same.",
    )


def latin_folds(
    form: UnicodeForm,
    *,
    accents: bool = True,
    inside_words: str = "'",
    inside_numbers: str = ".,:/-",
    after_digits: str = "%",
    keep_numerals: bool = False,
) -> tuple[Rule, ...]:
    """Case and punctuation folded, for `score`; an apostrophe inside a word stays.

    They come after a `target` chain with `clean_rules`, `apostrophe_rules` and `unify_hyphens`.
    An apostrophe at either end of a word can't be told from a quotation mark, and goes.

    Args:
        form: the pack's declared Unicode form.
        accents: as for `apostrophe_rules`.
        inside_words: signs that stay between two word characters; with "-" too, a hyphenated word
            is one word.
        inside_numbers: signs that stay between two digits, so that 1/2 and 5-9 stay whole.
        after_digits: signs that stay after a digit.
        keep_numerals: whole numerals stay, whatever they are written with (see `shield_numerals`):
            for chains that write the clear ones in words, before and after these rules.
    """
    punctuation = (
        remove_punctuation(
            between_letters=inside_words,
            # What stays between word characters stays between digits too.
            between_digits="".join(sign for sign in inside_numbers if sign not in inside_words),
            after_digits=after_digits,
        ),
    )
    return (
        drop_variation_selectors(),
        unicode_form(form),
        fold_case(form),
        # Case folding makes an apostrophe (U+0149), and a selector may have hidden another's place.
        *apostrophe_rules(accents=accents),
        unify_number_dashes(),
        *(shield_numerals(punctuation) if keep_numerals else punctuation),
    )


@cache
def _signs(becomes: str, where: str) -> dict[str, str]:
    columns = ("code_points", "name", "becomes", "where", "source")
    rows = read_table("ruach_core.text", "latin_signs.tsv", columns=columns)
    return {
        chr(code_point): becomes
        for row in rows
        if (row["becomes"], row["where"]) == (becomes, where)
        for code_point in parse_code_points(row["code_points"])
    }
