"""Language codes: what is valid, what ISO 639 says of one, and what Whisper calls it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import TypeAdapter, ValidationError

from ruach_core.errors import UserError
from ruach_core.manifest import WHISPER_LANGUAGES, PackManifest
from ruach_core.packs import find_packs
from ruach_core.text.tables import read_table

_PACKAGE = "ruach_core.scaffold"


@dataclass(frozen=True, slots=True)
class KnownLanguage:
    """What tables say of a code.

    Attributes:
        iso639_3: the three-letter code, or "" where no table has it.
        name: English name, or "".
        whisper_language: Whisper's own code for it, or "".
        reason: why that code is not the same, or "".
    """

    iso639_3: str = ""
    name: str = ""
    whisper_language: str = ""
    reason: str = ""


def validate_code(code: str) -> None:
    """Check that a pack can be made for a code.

    Raises:
        UserError: it isn't written as BCP 47 has it, or an installed pack has it already.
    """
    try:
        TypeAdapter(Annotated[str, *PackManifest.model_fields["code"].metadata]).validate_python(
            code
        )
    except ValidationError:
        raise UserError(
            f"code {code!r}: not a language code: write it as BCP 47 does, two or three small "
            "letters and, if need be, script and region (yo, kab, sr-Latn, pt-BR)"
        ) from None
    for pack in find_packs():
        if pack.code.casefold() == code.casefold():
            raise UserError(
                f"code {code!r}: {pack.distribution} {pack.version} is a pack for it and is "
                "installed; improve that one, or run pip uninstall "
                f"{pack.distribution} first"
            )


def look_up(code: str) -> KnownLanguage:
    """What is known of a valid code; whatever is not is empty."""
    primary = code.partition("-")[0]
    rows = read_table(_PACKAGE, "iso639.tsv", columns=("two", "three", "name", "source"))
    row = next((row for row in rows if primary in (row["two"], row["three"])), None)
    whisper, reason = _whisper_language(primary, code)
    if row is not None:
        if not whisper and row["two"] in WHISPER_LANGUAGES:
            whisper, reason = row["two"], f"{row['two']!r} is Whisper's own code for {row['name']}"
        elif not whisper:
            whisper, reason = _whisper_language(row["two"], code)
        return KnownLanguage(row["three"], row["name"], whisper, reason)
    return KnownLanguage(primary if len(primary) == 3 else "", "", whisper, reason)


def _whisper_language(primary: str, code: str) -> tuple[str, str]:
    if primary in WHISPER_LANGUAGES:
        reason = "" if primary == code else f"{primary!r} is Whisper's own code for the language"
        return primary, reason
    columns = ("code", "whisper", "reason", "source")
    for row in read_table(_PACKAGE, "whisper_codes.tsv", columns=columns):
        if row["code"] == primary:
            return row["whisper"], row["reason"]
    return "", ""
