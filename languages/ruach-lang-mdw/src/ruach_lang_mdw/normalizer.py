"""Normalises Mboshi in the graphemic form of the Mboshi-French parallel corpus.

The form (Godard et al., LREC 2018, arXiv 1710.03501): seven vowels, the open ones written with
the Greek letters epsilon and omega; acute accent (tonos on the Greek letters) for the high tone;
`'` where a word has lost its last vowel (`m' ókulu`). What is said here of the spelling was
counted in 920 of its transcripts: all 280 apostrophes follow a single consonant, and every word
without one ends in a vowel.
"""

from __future__ import annotations

from importlib.metadata import version

from ruach_core.text import unicode
from ruach_core.text.normalization import (
    ChainNormalizer,
    Rule,
    clean_rules,
    drop_variation_selectors,
    fold_case,
    remove_punctuation,
    replace_characters,
    replace_pattern,
    unicode_form,
    unify_apostrophes,
)

_GREEK_TO_IPA = str.maketrans("εωΕΩ", "ɛɔƐƆ")
_IPA_TO_GREEK = str.maketrans("ɛɔƐƆ", "εωΕΩ")

_CONSONANT = "[bcdfghjklmnpqrstvwxyzBCDFGHJKLMNPQRSTVWXYZ]"
# The regular expression engine sees ɛ́ as a letter and a mark, since the two have no composed form.
_BETWEEN_LETTERS = r"(?:(?<=[^\W\d_])|(?<=[\u0300-\u036F]))'(?=[^\W\d_])"

_ELISION = "\N{MODIFIER LETTER APOSTROPHE}"
"""Stands for the apostrophe of elision while punctuation goes: it counts as a letter."""


def build_normalizer(*, vowels: str = "greek") -> ChainNormalizer:
    """The normaliser of Mboshi.

    Args:
        vowels: letters of the open vowels: `greek` (the corpus's ε ω) or `ipa` (ɛ ɔ).
    """
    suffix = "" if vowels == "greek" else f" (vowels={vowels})"
    target = (
        *clean_rules("NFC"),
        unify_apostrophes(),
        replace_characters(
            "modifier apostrophes",
            dict.fromkeys("ʼʹʻ′", "'"),
            reason="Signs typed for the apostrophe, such as ʼ and ′, become the plain one, '.",
        ),
        # Typed for an apostrophe. After a vowel ´ can be a high tone that came loose: left alone.
        replace_pattern(
            "accents for apostrophes",
            f"(?<={_CONSONANT})[´`]",
            "'",
            reason="An accent alone after a consonant is typed for the apostrophe, and becomes it.",
        ),
        _write_vowels(vowels),
    )
    return ChainNormalizer(
        name=f"ruach-lang-mdw {version('ruach-lang-mdw')}{suffix}",
        target=target,
        score=(*target, *_score_folds()),
    )


def _write_vowels(vowels: str) -> Rule:
    table = _IPA_TO_GREEK if vowels == "greek" else _GREEK_TO_IPA

    def apply(text: str) -> str:
        if text.isascii():
            return text
        # Taken apart, so that a vowel's tone, whatever mark it is, goes over to the new letter.
        loose = unicode.normalize_form(text, "NFD")
        return unicode.normalize_form(loose.translate(table), "NFC")

    letters, others = ("ε and ω", "ɛ and ɔ") if vowels == "greek" else ("ɛ and ɔ", "ε and ω")
    reason = f"The open vowels are written {letters} throughout; {others} are the same vowels."
    return Rule(f"vowels {vowels}", apply, reason)


def _score_folds() -> tuple[Rule, ...]:
    """Case and punctuation; tones stay, and so does the apostrophe of elision.

    A word ends in a vowel. So `'` after a consonant stands for a vowel that fell, as it does
    between two letters; anywhere else it is a quotation mark.
    """
    return (
        drop_variation_selectors(),
        unicode_form("NFC"),
        fold_case("NFC"),
        # Case folding makes some: U+0149 becomes two letters, the first of them this one.
        replace_characters(
            "modifier apostrophe",
            {_ELISION: "'"},
            reason="The apostrophe letter ʼ counts as the plain apostrophe.",
        ),
        replace_pattern(
            "mark elision",
            f"(?<={_CONSONANT})'|{_BETWEEN_LETTERS}",
            _ELISION,
            reason="The apostrophe of a vowel that fell is set aside while punctuation goes.",
        ),
        remove_punctuation(between_letters=""),
        replace_characters(
            "write elision",
            {_ELISION: "'"},
            reason="The apostrophes of fallen vowels that were set aside come back.",
        ),
    )
