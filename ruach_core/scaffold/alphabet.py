"""Alphabets as `pack.toml` writes them: letters with spaces between, runs of code points as x-y."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ruach_core.errors import UserError
from ruach_core.text import unicode

_SHORTEST_RUN = 4
_LONG = 60
"""Alphabets of more letters than these are written with ranges."""


def parse_alphabet(text: str) -> tuple[str, ...]:
    """The letters of a user's alphabet, in NFC; commas may stand between, ranges are expanded.

    Apostrophes and other marks by themselves are left out: a pack's alphabet has what words are
    made of, and the normaliser looks after marks.

    Raises:
        UserError: there is no letter, or a range runs backwards.
    """
    letters: list[str] = []
    for entry in unicode.normalize_form(unicode.repair_surrogates(text), "NFC").split():
        if len(entry) == 3 and entry[1] == "-":
            if entry[0] > entry[2]:
                raise UserError(f"--alphabet: range {entry} runs backwards")
            letters += map(chr, range(ord(entry[0]), ord(entry[2]) + 1))
        else:
            letters += entry.split(",")
    found = dict.fromkeys(
        unicode.normalize_form(letter, "NFC") for letter in letters if _is_letter(letter)
    )
    if not found:
        raise UserError('--alphabet: no letter in it; write "a b c" with spaces between, or a-z')
    return tuple(found)


def format_alphabet(letters: Sequence[str]) -> str:
    """The letters as `pack.toml` has them, in their order."""
    if len(letters) <= _LONG:
        return " ".join(letters)
    entries: list[str] = []
    for run in _runs(letters):
        entries += [f"{run[0]}-{run[-1]}"] if len(run) >= _SHORTEST_RUN else run
    return " ".join(entries)


def _runs(letters: Iterable[str]) -> list[list[str]]:
    """The letters in stretches of consecutive code points."""
    runs: list[list[str]] = []
    for letter in letters:
        last = runs[-1][-1] if runs else ""
        if len(last) == len(letter) == 1 and ord(letter) == ord(last) + 1:
            runs[-1].append(letter)
        else:
            runs.append([letter])
    return runs


def _is_letter(entry: str) -> bool:
    parts = {unicode.category(char)[0] for char in entry}
    is_visible = unicode.strip_invisible(entry) == entry and entry.isprintable()
    return bool(parts & {"L", "M"}) and is_visible
