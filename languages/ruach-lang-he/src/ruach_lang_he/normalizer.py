"""The Hebrew normaliser: unpointed letters, one sign each for geresh, gershayim and maqaf.

Final letters, and full or defective spelling (כתיב מלא, כתיב חסר), are the writer's: neither
purpose touches them. What each sign becomes stands in the folder `tables`, with its source.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from importlib.metadata import version

from ruach_core.text.latin import unify_hyphens
from ruach_core.text.normalization import (
    SPACES,
    ChainNormalizer,
    Rule,
    clean_rules,
    drop_variation_selectors,
    fold_case,
    remove_punctuation,
    replace_characters,
    replace_pattern,
    unicode_form,
)
from ruach_core.text.numerals import Numeral, Spoken, replace_numerals, shield_numerals
from ruach_core.text.tables import parse_code_points, read_table
from ruach_lang_he.numbers import LETTERS, join_prefixes, read_numbers

_PACKAGE = "ruach_lang_he"
_CURRENCIES = "₪$€£"
_SOF_PASUQ = "\N{HEBREW PUNCTUATION SOF PASUQ}"


@cache
def build_normalizer(*, numbers: str | None = None) -> ChainNormalizer:
    """The normaliser of Hebrew.

    Args:
        numbers: `words` or `keep`, for both purposes; None: `keep` in `target`, `words` in `score`.
    """
    clean = target_rules()
    target = (*clean, read_numbers()) if numbers == "words" else clean
    # Read before the punctuation goes, since a clause's end counts, and after, for what its end
    # was hidden behind.
    reading = () if numbers == "keep" else (read_numbers(),)
    suffix = f" (numbers={numbers})" if numbers else ""
    return ChainNormalizer(
        name=f"ruach-lang-he {version('ruach-lang-he')}{suffix}",
        target=target,
        score=(*clean, *reading, *fold_rules(), *reading),
    )


def target_rules() -> tuple[Rule, ...]:
    """What a reader doesn't miss: points, forms of letters, spaces, one sign for each mark."""
    return (
        *clean_rules("NFC"),
        sentence_stop(),
        strip_points(),
        write_plain_letters(),
        # What stood between a letter and its mark is gone.
        unicode_form("NFC"),
        *unify_quotes(),
        unify_hyphens(),
        SPACES,
    )


def fold_rules() -> tuple[Rule, ...]:
    """What `score` folds in a text that has been through `target_rules`."""
    return (
        drop_variation_selectors(),
        unicode_form("NFC"),
        fold_case("NFC"),
        # Case folding makes an apostrophe (U+0149); a selector may have stood between two.
        *unify_quotes(),
        join_acronyms(),
        join_quoted(),
        *write_amounts(),
        join_prefixes(),
        *shield_numerals(
            (
                remove_punctuation(
                    between_letters="'", between_digits="", after_digits=f"%{_CURRENCIES}"
                ),
            )
        ),
        unicode_form("NFC"),
        SPACES,
    )


def sentence_stop() -> Rule:
    """Sof pasuq ends a verse: a full stop, close to the word before it."""
    stop = replace_pattern("", f" ?{_SOF_PASUQ}(?: ?[{_SOF_PASUQ}.])*+ ?", ". ")
    return Rule(
        "sof pasuq",
        lambda text: stop.apply(text).rstrip() if _SOF_PASUQ in text else text,
        "The mark that ends a verse, ׃, becomes a full stop close to its word.",
    )


def strip_points() -> Rule:
    """Points and cantillation marks go, never a letter's place; maqaf is a hyphen (`marks.tsv`)."""
    rows = read_table(_PACKAGE, "marks.tsv", columns=("code_points", "becomes", "name", "source"))
    table = {
        chr(code_point): "".join(map(chr, parse_code_points(row["becomes"])))
        if row["becomes"]
        else ""
        for row in rows
        for code_point in parse_code_points(row["code_points"])
    }
    return replace_characters(
        "points",
        table,
        reason="Vowel points and cantillation go, as in everyday writing; maqaf becomes a hyphen.",
    )


def write_plain_letters() -> Rule:
    """Wide letters, ligatures and digraphs become letters of the alphabet (`letters.tsv`)."""
    rows = read_table(_PACKAGE, "letters.tsv", columns=("letter", "becomes", "name", "source"))
    return replace_characters(
        "letter forms",
        {row["letter"]: row["becomes"] for row in rows},
        reason="Wide letters, ligatures and digraphs become the letters that they stand for.",
    )


def unify_quotes() -> Sequence[Rule]:
    """`"` for gershayim and double quotation marks, `'` for geresh and apostrophes (`quotes.tsv`).

    Two `'` are a typed `"` (צה''ל).
    """
    anywhere, after_letter = _quotes("anywhere"), _quotes("letter")
    typed = "".join(after_letter)
    return (
        replace_characters(
            "quotes",
            anywhere,
            reason="Gershayim and double quotes become \", geresh and single quotes become '.",
        ),
        replace_pattern(
            "accents for quotes",
            f"(?<=[{LETTERS}])[{typed}]++",
            lambda match: "".join(after_letter[sign] for sign in match[0]),
            reason="An accent or prime after a Hebrew letter is typed for a geresh, and becomes '.",
        ),
        replace_pattern(
            "doubled quotes",
            "''",
            '"',
            reason='Two apostrophes in a row are typed for gershayim or a quotation mark: one ".',
        ),
    )


def join_acronyms() -> Rule:
    """Gershayim inside a word go: צה"ל is one word, and so is ה"ארץ" after its quotes."""
    return replace_pattern(
        "acronyms",
        f'(?<=[{LETTERS}])"(?=[{LETTERS}])',
        "",
        reason="The gershayim inside an acronym go, so that it counts as one word.",
    )


def join_quoted() -> Rule:
    """The quotation mark between a prefix and a quoted word goes: ב'הארץ' is one word."""
    prefixes = "[והבלמכש]{0,3}[הבלמכש]"
    return replace_pattern(
        "quoted words",
        # A geresh stands after no prefix but ו; the second mark tells a quotation from a foreign
        # name (ל'אקילה).
        f"(?<![{LETTERS}'])({prefixes})'(?=[{LETTERS}][^']{{0,60}}'(?![{LETTERS}]))",
        r"\1",
        needs="'",
        reason="A prefix and the quoted word after it count as one word: ב'הארץ' is בהארץ.",
    )


def write_amounts() -> tuple[Rule, ...]:
    """1,234 is 1234, and its currency or percent sign stands right after it: ₪5, 5 ₪ and 5₪."""
    currency = re.compile(f"(?<!\\d)(?<!\\d )([{_CURRENCIES}]) ?$")

    def write(numeral: Numeral, before: str, _after: str) -> Spoken | None:
        if numeral.kind not in ("integer", "decimal"):
            return None
        digits = numeral.text.replace(",", "").replace("\u066c", "")
        sign = currency.search(before)
        return Spoken(digits + sign[1], n_before=len(sign[0])) if sign else Spoken(digits)

    return (
        replace_numerals(
            "amounts",
            write,
            reason="Commas of thousands go, and a currency sign moves after its number: ₪5 is 5₪.",
        ),
        replace_pattern(
            "units",
            f"(?<=\\d) (?=[%{_CURRENCIES}])",
            "",
            reason="A percent or currency sign stands right after its number: 5 % counts as 5%.",
        ),
    )


def _quotes(where: str) -> dict[str, str]:
    columns = ("code_points", "becomes", "where", "name", "source")
    rows = read_table(_PACKAGE, "quotes.tsv", columns=columns)
    return {
        chr(code_point): row["becomes"]
        for row in rows
        if row["where"] == where
        for code_point in parse_code_points(row["code_points"])
    }
