"""What languages in the Ethiopic script share: code points, wordspace, punctuation and its spacing.

Packs compose the rules; none of them changes a fidel. Sources: Unicode's Ethiopic chapter (19.4)
and names list; CLDR's punctuation exemplars of `am` and `ti`; usage in the Walta news corpus and
the African Almanac text (both in geezorg/data) and in UDHR (eric-muller/udhr).

Every pattern expects single spaces (`normalization.clean_rules` comes first) and leaves them.
"""

from __future__ import annotations

import re

from ruach_core.text.normalization import (
    SPACES,
    Rule,
    replace_characters,
    replace_pattern,
    unicode_form,
)
from ruach_core.text.tables import read_table
from ruach_core.text.unicode import collapse_spaces

LETTERS = "\u1200-\u135a\u1380-\u138f\u2d80-\u2dde\uab01-\uab2e\U0001e7e0-\U0001e7fe"
"""Ethiopic letters of all five blocks, as the inside of a regular expression's `[...]`."""

NUMERALS = "\u1369-\u137c"
"""Ethiopic digits and numbers, ፩ to ፼, likewise."""

GEMINATION_MARKS = "\u135d\u135e\u135f"
"""Combining gemination and vowel length marks (category Mn)."""

TONAL_MARKS = "\u1390-\u1399"
"""Zema chant notation (category So): symbols to Unicode, but they stand inside words."""

_DASHES = "-\u2010\u2011\u2012\u2013\u2014\u2212"


def strip_gemination_marks() -> Rule:
    """U+135D..U+135F are pedagogical: deleted, never replaced by a space (CLDR am-am_FONIPA)."""
    return replace_characters(
        "gemination marks",
        dict.fromkeys(GEMINATION_MARKS, ""),
        reason="Marks of doubled and long sounds are teaching aids of few books: they are removed.",
    )


def strip_tonal_marks() -> Rule:
    """Chant notation deleted, for `score`: as a symbol it would become a space inside a word."""
    return replace_pattern(
        "tonal marks",
        f"[{TONAL_MARKS}]",
        "",
        reason="Signs of chant are no part of a word's spelling, and are left out for scoring.",
    )


def drop_section_marks() -> Rule:
    """፠ and ፨ are ornaments between sections and paragraphs, not speech."""

    def apply(text: str) -> str:
        return collapse_spaces(text.replace("፠", " ").replace("፨", " "))

    return Rule(
        "section marks",
        apply,
        "The section ornaments ፠ and ፨ are removed, as nobody reads them out.",
    )


def unify_quotes() -> Rule:
    """`"` for every double quotation mark (`tables/ethiopic_quotes.tsv`), `'` for single ones.

    A space between an opening or closing mark and what it quotes goes too.
    """
    rows = read_table("ruach_core.text", "ethiopic_quotes.tsv", columns=("typed", "role", "source"))

    def typed(*roles: str) -> str:
        return "|".join(re.escape(row["typed"]) for row in rows if row["role"] in roles)

    opening = re.compile(f"(?:^|(?<= ))(?:{typed('open')})+ ")
    closing = re.compile(f" (?:{typed('close')})+(?=$|[ ።፣፤፥፦፧?!.,;:)])")
    any_quote = re.compile(f"(?:{typed('open', 'close', 'any')})+")
    singles = str.maketrans("‘’‛", "'''")
    has_quote = re.compile(f"[‘’‛{re.escape(''.join(row['typed'] for row in rows))}]").search

    def apply(text: str) -> str:
        if not has_quote(text):
            return text
        text = closing.sub('"', opening.sub('"', text))
        return any_quote.sub('"', text.translate(singles))

    return Rule(
        "quotes",
        apply,
        "Quotation marks of every shape become \" or ', so that one kind is learned.",
    )


def time_colon() -> Rule:
    """A wordspace between digits is the colon of a time of day, never a word break."""
    return replace_pattern(
        "time colon",
        f"(?<=[0-9])፡(?=[0-9])|(?<=[{NUMERALS}])፡(?=[{NUMERALS}])",
        ":",
        needs="፡",
        reason="Between digits ፡ is the colon of a time of day, and becomes : rather than a space.",
    )


def double_colon_stop() -> Rule:
    """Two wordspaces or colons, spaced or not, are a typed ።; `std::vector` is left alone."""
    return replace_pattern(
        "double colon",
        "(?!::[A-Za-z_])[፡:](?: ?[፡:])++",
        "።",
        needs="፡:",
        reason="Two ፡ or two colons in a row are typed for the full stop, and become ።.",
    )


def preface_colon() -> Rule:
    """`፡-` and `:-` are the typed forms of ፦ U+1366; `:-)` is left alone."""
    return replace_pattern(
        "preface colon",
        f"[፡:][{_DASHES}]++(?![()])",
        "፦",
        needs="፡:",
        reason="A colon and a dash together are typed for the preface colon, and become ፦.",
    )


def separate_words(*, comma_before_space: bool = False) -> Rule:
    """The wordspace ፡ becomes a space.

    Args:
        comma_before_space: read a wordspace before a space as ፣, as Tigrinya writes it.
    """
    pattern = re.compile("፡(?= |$)")

    def apply(text: str) -> str:
        if comma_before_space and "፡" in text:
            text = pattern.sub("፣", text)
        return collapse_spaces(text.replace("፡", " "))

    reason = "The word separator ፡ becomes a space, as words are parted today."
    if comma_before_space:
        reason = "The word separator ፡ becomes a space; before a space or the end, it is a comma ፣."
    return Rule("wordspace", apply, reason)


def unify_marks() -> tuple[Rule, ...]:
    """Latin marks typed in Ethiopic text, and rare Ethiopic ones, become the usual ones.

    ፧ is `?` (CLDR's exemplars list `?`); `,` and `;` after a letter are ፣ and ፤ (contested: some
    editors keep them); `÷` after a letter is typed for ፥; three dots or more are an
    ellipsis, two after a letter are one.
    """
    after_letter = f"(?:(?<=[{LETTERS}{NUMERALS}])|(?<=[{LETTERS}][\"')\\]]))"
    return (
        replace_characters(
            "question mark",
            {"፧": "?"},
            reason="The rare question mark ፧ becomes ?, which is the usual one today.",
        ),
        replace_pattern(
            "comma",
            f"{after_letter} ?,(?![0-9])",
            "፣",
            needs=",",
            reason="A Latin comma after an Ethiopic letter is typed for ፣ and becomes it.",
        ),
        replace_pattern(
            "semicolon",
            f"{after_letter} ?;",
            "፤",
            needs=";",
            reason="A Latin semicolon after an Ethiopic letter is typed for ፤ and becomes it.",
        ),
        replace_pattern(
            "division sign",
            f"(?<=[{LETTERS}]) ?÷(?! ?[0-9])",
            "፥",
            needs="÷",
            reason="A division sign after a letter is typed for ፥, and becomes it.",
        ),
        replace_pattern(
            "ellipsis",
            r"(?:\.{3,}+|\.{0,2}…)[.…]*+",
            "...",
            needs=".…",
            reason="Three dots or more, and the sign …, are all written as three dots.",
        ),
        replace_pattern(
            "double dot",
            f"(?<=[{LETTERS}])\\.\\.(?!\\.)",
            ".",
            needs=".",
            reason="Two dots after a letter are a slip of the keyboard, and become one.",
        ),
    )


def sentence_stop(*, min_letters: int = 3) -> Rule:
    """`.` after a whole Ethiopic word at a sentence's end is ።.

    Args:
        min_letters: shorter words may be abbreviations (ገጽ.), so their dot stays.
    """
    word = f"(?<![{LETTERS}])(?<![{LETTERS}]\\.)([{LETTERS}]{{{min_letters},}}+)"
    return replace_pattern(
        "sentence stop",
        f"{word} ?\\.(?=$|[ \"')\\]])",
        r"\1።",
        needs=".",
        reason="A dot at a sentence's end is typed for ።; very short words may be abbreviations.",
    )


def space_marks() -> tuple[Rule, ...]:
    """No space before a mark, repeats as one, and a space after it where a word follows.

    A mark between digits (chapter and verse, 5፥3) takes no space.
    """
    digit = f"[0-9{NUMERALS}]"
    crowded = re.compile(r" ?([።፣፤፥፦?!])(?: ?\1)*+")
    has_space = re.compile(" [።፣፤፥፦?!]").search
    has_repeat = re.compile(r"([።፣፤፥፦?!]) ?\1").search
    after_mark = rf"([።፣፤፦]|፥(?!(?<={digit}፥){digit}))(?=[\w(\[{{])"

    def apply(text: str) -> str:
        # Nearly every mark stands as it should: two searches are faster than a match at each.
        return crowded.sub(r"\1", text) if has_space(text) or has_repeat(text) else text

    return (
        Rule(
            "space before mark",
            apply,
            "A mark stands close to the word before it, and a repeated mark is written once.",
        ),
        replace_pattern(
            "space after mark",
            after_mark,
            r"\1 ",
            needs="።፣፤፦፥",
            reason="A space follows each mark, so that the next word stands by itself.",
        ),
        replace_pattern(
            "space after ?!",
            f"([?!])(?=[{LETTERS}])",
            r"\1 ",
            needs="?!",
            reason="A space follows ? and ! where a letter stood right after them.",
        ),
    )


def punctuation_rules(
    *, comma_before_space: bool = False, min_sentence_letters: int = 3
) -> tuple[Rule, ...]:
    """The whole treatment of punctuation for `target`, in the order that the rules need.

    Args:
        comma_before_space: see `separate_words`.
        min_sentence_letters: see `sentence_stop`.
    """
    return (
        drop_section_marks(),
        unify_quotes(),
        time_colon(),
        preface_colon(),
        double_colon_stop(),
        separate_words(comma_before_space=comma_before_space),
        *unify_marks(),
        sentence_stop(min_letters=min_sentence_letters),
        *space_marks(),
        SPACES,
    )


def join_initials() -> Rule:
    """Dotted initials are one word, for `score`: ሕ.ግ.ደ.ፍ is also written ሕግደፍ."""
    return replace_pattern(
        "initials",
        f"(?<![{LETTERS}.])[{LETTERS}](?:\\.[{LETTERS}])++(?![{LETTERS}])",
        lambda match: match[0].replace(".", ""),
        needs=".",
        reason="Dotted initials count as one word, as they are also written without dots.",
    )


def join_digit_groups() -> Rule:
    """1,234,567 is 1234567: text in the Ethiopic script groups thousands by commas."""
    return replace_pattern(
        "digit groups",
        r"(?<![0-9])(?<![0-9][.,])[0-9]{1,3}(?:,[0-9]{3})++(?![0-9])(?!,[0-9])",
        lambda match: match[0].replace(",", ""),
        needs=",",
        reason="Commas that group the thousands of a number go: 1,234 is 1234 for scoring.",
    )


def clean_marks() -> tuple[Rule, ...]:
    """Gemination marks off, then NFC: a deleted mark can bring others next to their letter."""
    return (strip_gemination_marks(), unicode_form("NFC"), SPACES)
