"""Unicode facts and the repairs that hold for every language.

The one importer of `unicodedata2`, whose tables are newer than the interpreter's: everything else
asks here. All functions are total, lone surrogates among their input included.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Literal

import unicodedata2  # noqa: TID251

from ruach_core.text.tables import parse_code_points, read_table

UnicodeForm = Literal["NFC", "NFD"]

UNICODE_VERSION: str = unicodedata2.unidata_version
"""Version of the Unicode Character Database in use; reports name it."""

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"

_SURROGATE = re.compile("[\ud800-\udfff]")
_VIRAMA = 9  # canonical combining class
_JOINERS = re.compile("[\u200c\u200d]+")


def normalize_form(text: str, form: UnicodeForm) -> str:
    """The text in a Unicode normalisation form (UAX #15)."""
    if text.isascii():
        return text
    result: str = unicodedata2.normalize(form, text)
    return result


def category(char: str) -> str:
    """General category of one code point ("Lo", "Mn", ...)."""
    result: str = unicodedata2.category(char)
    return result


def character_name(char: str) -> str:
    """`U+1361 ETHIOPIC WORDSPACE`; the number alone where the code point has no name."""
    name = unicodedata2.name(char, "")
    return f"U+{ord(char):04X} {name}".rstrip()


def is_mark(char: str) -> bool:
    """Whether the code point is a combining mark (M*), a part of the letter before it."""
    return category(char)[0] == "M"


def is_letter(char: str) -> bool:
    """Whether the code point is a letter (L*)."""
    return category(char)[0] == "L"


def is_word_character(char: str) -> bool:
    """Whether words are made of it: letters, marks, numbers, and modifiers that spell tone.

    Private and unassigned code points count too: some orthographies' letters are such.
    """
    found = category(char)
    is_part = found[0] in "LMN" or found in ("Co", "Cn")
    return is_part or ord(char) in _code_points("modifiers.tsv")


def repair_surrogates(text: str) -> str:
    """Join surrogate pairs and put U+FFFD for lone ones, which no file or tokenizer can hold."""
    if not _SURROGATE.search(text):
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def strip_invisible(text: str, *, keep_joiners: bool = False) -> str:
    """Delete characters that neither show nor separate words (`tables/invisible.tsv`).

    Args:
        text: any text.
        keep_joiners: keep one zero width (non-)joiner where it can matter to a reader: between
            two letters (Persian), or after a virama (Indic scripts).
    """
    if text.isascii() and text.isprintable():
        return text
    text = _invisible(keep_joiners).sub("", text)
    return _JOINERS.sub(_keep_joiner, text) if keep_joiners else text


def collapse_spaces(text: str) -> str:
    """One ASCII space for each run of white space, none at the ends."""
    return " ".join(text.split())


def _keep_joiner(match: re.Match[str]) -> str:
    text, start, end = match.string, match.start(), match.end()
    if not start:
        return ""
    before, after = category(text[start - 1])[0], category(text[end])[0] if end < len(text) else ""
    is_inside = before in "LM" and after != "" and after in "LM"
    return match[0][0] if is_inside or _ends_in_virama(text, start) else ""


def _ends_in_virama(text: str, end: int) -> bool:
    # The Unicode form may yet put other marks of the same letter after the virama.
    while end and (combining := unicodedata2.combining(text[end - 1])):
        if combining == _VIRAMA:
            return True
        end -= 1
    return False


@cache
def _invisible(keep_joiners: bool) -> re.Pattern[str]:
    kept = {0x200C, 0x200D} if keep_joiners else set()
    characters = sorted(_code_points("invisible.tsv") - kept)
    return re.compile("[" + "".join(re.escape(chr(c)) for c in characters) + "]")


@cache
def _code_points(table: str) -> frozenset[int]:
    rows = read_table("ruach_core.text", table, columns=("code_points", "name", "source"))
    return frozenset(c for row in rows for c in parse_code_points(row["code_points"]))
