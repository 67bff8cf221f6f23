"""What is known of a script before any text is seen, from `tables/scripts.tsv`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from ruach_core.text.tables import read_table
from ruach_core.text.unicode import character_name

_PACKAGE = "ruach_core.scaffold"
_COLUMNS = (
    "script", "names", "direction", "joiners", "marks", "spaces", "tokens", "donors", "hint",
    "source",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Script:
    """One script.

    Attributes:
        code: ISO 15924.
        names: how the Unicode names of its characters begin.
        direction: ltr, rtl or ttb.
        has_joiners: whether zero width (non-)joiners can matter to a reader.
        joins_marks: whether a letter with a mark is another letter; else marks are signs.
        has_spaces: whether spaces part words.
        tokens_per_char: Whisper's tokens for a character of running text, or None.
        donors: Whisper's languages in this script, as candidates for a borrowed token.
        hint: what its writers mostly have to decide, in one sentence; or "".
    """

    code: str
    names: tuple[str, ...] = ()
    direction: str = "ltr"
    has_joiners: bool = False
    joins_marks: bool = True
    has_spaces: bool = True
    tokens_per_char: float | None = None
    donors: tuple[str, ...] = ()
    hint: str = ""


@cache
def script_of(char: str) -> str:
    """ISO 15924 of one character by its Unicode name; "" for what no one script has."""
    name = character_name(char).partition(" ")[2]
    for beginning, code in _beginnings():
        if name.startswith(beginning):
            return code
    return ""


def find_script(code: str) -> Script:
    """A script by its ISO 15924 code; one that the table lacks has the defaults."""
    return _scripts().get(code, Script(code))


@cache
def _scripts() -> dict[str, Script]:
    return {
        row["script"]: Script(
            code=row["script"],
            names=tuple(row["names"].split(",")),
            direction=row["direction"],
            has_joiners=row["joiners"] == "yes",
            joins_marks=row["marks"] == "letter",
            has_spaces=row["spaces"] == "yes",
            tokens_per_char=None if row["tokens"] == "-" else float(row["tokens"]),
            donors=() if row["donors"] == "-" else tuple(row["donors"].split()),
            hint="" if row["hint"] == "-" else row["hint"],
        )
        for row in read_table(_PACKAGE, "scripts.tsv", columns=_COLUMNS)
    }


@cache
def _beginnings() -> tuple[tuple[str, str], ...]:
    return tuple((f"{name} ", s.code) for s in _scripts().values() for name in s.names)
