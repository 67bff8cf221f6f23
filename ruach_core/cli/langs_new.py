"""`ruach langs new`: write a language pack that can be installed as it is."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ruach_core.errors import UserError

if TYPE_CHECKING:
    from ruach_core.scaffold.choose import Choices
    from ruach_core.scaffold.codes import KnownLanguage
    from ruach_core.scaffold.observe import TextFacts
    from ruach_core.scaffold.pack import NewPack
    from ruach_core.scaffold.render import About

_LONGEST_NAME = 48

_HELP = """Write a whole language pack for CODE: manifest, normaliser, samples, tests.

\b
How the language is written is derived from a text, and explained:
    ruach langs new gn --name Guarani --text sentences.txt --whisper-language es
    ruach langs new gn --name Guarani --from-data recordings --whisper-language es
    ruach langs new gn --name Guarani --alphabet "a ã ch e ẽ g" --whisper-language es

What isn't given is asked for; with --yes, or where standard input is no terminal, the defaults
hold, and what has none is an error.
"""


@dataclass(frozen=True, slots=True)
class _Flags:
    """What the user gave, unset ones None."""

    name: str | None
    autonym: str | None
    script: str | None
    whisper_language: str | None
    reason: str | None
    iso639_3: str | None
    maintainer: str | None
    license: str


@click.command("new", help=_HELP, short_help="Write a language pack, from texts of the language.")
@click.argument("code")
@click.option("--name", help="English name of the language.")
@click.option("--autonym", help="The language's name for itself.  [default: the name]")
@click.option("--text", metavar="FILE", help="Text in the language, UTF-8.")
@click.option("--from-data", metavar="DIR", help="Dataset; its transcripts are the text.")
@click.option("--alphabet", metavar="LETTERS", help="Letters with spaces between; a-z is a range.")
@click.option("--script", metavar="ISO15924", help="Such as Latn or Ethi.  [default: the text's]")
@click.option("--whisper-language", metavar="CODE", help="Whisper's language token to use.")
@click.option("--reason", help="Why that token is borrowed, where it is.")
@click.option("--iso639-3", metavar="CODE", help="Three-letter code, where CODE is another.")
@click.option("--model", metavar="NAME|PATH", help="Base model whose tokenizer counts tokens.")
@click.option("--maintainer", help="Who looks after the pack.")
@click.option("--license", default="MIT", show_default=True, help="SPDX name of its license.")
@click.option("--output", metavar="DIR", help="The new folder.  [default: ruach-lang-CODE]")
@click.option("--yes", is_flag=True, help="Ask nothing.")
def langs_new(
    code: str,
    *,
    text: str | None,
    from_data: str | None,
    alphabet: str | None,
    model: str | None,
    output: str | None,
    yes: bool,
    **given: str,
) -> None:
    """Write a whole language pack for CODE."""
    from ruach_core.scaffold.choose import choose
    from ruach_core.scaffold.codes import look_up, validate_code
    from ruach_core.scaffold.pack import build_pack, check_free, write_pack

    validate_code(code)
    flags = _Flags(**given)
    folder = Path(output or f"ruach-lang-{code.lower()}")
    check_free(folder)
    asks = is_interactive() and not yes
    _check_flags(flags)
    known = look_up(code)
    name = _answer("--name", flags.name, known.name, "Name of the language in English", asks)
    facts, letters, source = _read(text, from_data, alphabet, asks)
    choices = choose(facts, alphabet=letters, script=flags.script or "", source=source)
    _check_choices(choices, source)
    about = _ask(code, _line("--name", name), flags, known, choices, asks)
    pack = build_pack(about, facts, choices, folder=_printable(str(folder)), model=model)
    write_pack(folder, pack)
    click.echo("\n".join(_report(folder, about, pack, facts, from_data)))


def is_interactive() -> bool:
    """Whether there is somebody to ask."""
    return sys.stdin.isatty()


def _answer(
    flag: str,
    given: str | None,
    default: str,
    question: str,
    asks: bool,
    check: Callable[[str], str] = str.strip,
) -> str:
    """What the user gave, the answer to the question, or the default.

    A question whose answer `check` refuses by a click.UsageError is asked again.

    Raises:
        UserError: there is none of them.
    """
    if given is not None:
        return given
    if asks:
        return str(click.prompt(question, default=default or None, value_proc=check))
    if not default:
        raise UserError(f"{flag} is missing: {question[0].lower()}{question[1:]}")
    return default


def _line(flag: str, value: str) -> str:
    """A text fit for a manifest and for a comment in Python.

    Raises:
        UserError: it isn't.
    """
    value = " ".join(value.split())
    if not value or not value.isprintable() or any(char in value for char in '"\\'):
        raise UserError(f'{flag} {value!r}: write it in one line, without " and \\')
    return value


def _printable(name: str) -> str:
    return "".join(char if char.isprintable() else "?" for char in name)


def _check_flags(flags: _Flags) -> None:
    import re

    from ruach_core.manifest import WHISPER_LANGUAGES
    from ruach_core.scaffold.render import LICENSES

    if flags.license not in LICENSES:
        raise UserError(f"--license {flags.license}: one of {', '.join(LICENSES)}")
    if flags.script is not None and not re.fullmatch("[A-Z][a-z]{3}", flags.script):
        raise UserError(
            f"--script {flags.script}: four letters as ISO 15924 has them, such as Latn"
        )
    if flags.iso639_3 is not None and not re.fullmatch("[a-z]{3}", flags.iso639_3):
        raise UserError(f"--iso639-3 {flags.iso639_3}: three small letters, such as grn")
    if flags.whisper_language is not None and flags.whisper_language not in WHISPER_LANGUAGES:
        raise UserError(
            f"--whisper-language {flags.whisper_language}: not one of Whisper's languages, which "
            f"are {' '.join(sorted(WHISPER_LANGUAGES))}"
        )


def _read(
    text: str | None, from_data: str | None, alphabet: str | None, asks: bool
) -> tuple[TextFacts, tuple[str, ...], str]:
    """Counts, the letters that the user gave, and what was read."""
    from ruach_core.scaffold.alphabet import parse_alphabet
    from ruach_core.scaffold.observe import observe
    from ruach_core.scaffold.pack import read_text_lines, read_transcripts

    if text is not None and from_data is not None:
        raise UserError("--text and --from-data: give one of them")
    if text is None and from_data is None and alphabet is None:
        question = "A text file in the language, or its letters with spaces between"
        answer = _answer("--text, --from-data or --alphabet", None, "", question, asks)
        text, alphabet = (answer, None) if Path(answer).is_file() else (None, answer)
    letters = parse_alphabet(alphabet) if alphabet is not None else ()
    if from_data is not None:
        texts, source = read_transcripts(Path(from_data))
    elif text is not None:
        texts, source = read_text_lines(Path(text)), Path(text).name
    else:
        texts, source = [], ""
    # File names may hold anything, and end up in the manifest.
    return observe(texts), letters, _printable(source)


def _check_choices(choices: Choices, source: str) -> None:
    if not choices.alphabet:
        raise UserError(f"{source}: no letter in it; give a text in the language")
    if not choices.script.code:
        raise UserError("--script is missing: no known script has these letters; such as Latn")


def _ask(
    code: str,
    name: str,
    flags: _Flags,
    known: KnownLanguage,
    choices: Choices,
    asks: bool,
) -> About:
    from ruach_core.scaffold.render import About

    if len(name) > _LONGEST_NAME:
        raise UserError(f"--name: longer than {_LONGEST_NAME} characters")
    autonym = _answer("--autonym", flags.autonym, name, "The language's name for itself", asks)
    token, reason = _ask_token(code, name, flags, known, choices, asks)
    iso639_3 = flags.iso639_3 or known.iso639_3
    if not iso639_3:
        iso639_3 = _answer("--iso639-3", None, "", "Three-letter code of ISO 639-3", asks)
    maintainer = f"The developers of the {name} pack"
    maintainer = _answer("--maintainer", flags.maintainer, maintainer, "Maintainer", asks)
    return About(
        code=code,
        iso639_3=iso639_3,
        name=name,
        autonym=_line("--autonym", autonym),
        whisper_language=token,
        reason=_line("--reason", reason) if reason else "",
        maintainer=_line("--maintainer", maintainer),
        license=flags.license,
    )


def _ask_token(
    code: str, name: str, flags: _Flags, known: KnownLanguage, choices: Choices, asks: bool
) -> tuple[str, str]:
    """Whisper's token, and the reason where it is borrowed."""
    candidates = " ".join(choices.script.donors) or "any"
    question = (
        f"Whisper's language to borrow the token of, a relative's (in this script: {candidates})"
    )
    token = flags.whisper_language or known.whisper_language
    if not token:
        token = _answer("--whisper-language", None, "", question, asks, _check_token)
    if token == code:
        return token, ""
    default = known.reason if token == known.whisper_language else ""
    default = default or f"Whisper has no token for {name}; {token!r} was chosen for it"
    return token, _answer("--reason", flags.reason, default, f"Why {token!r}", asks)


def _check_token(token: str) -> str:
    from ruach_core.manifest import WHISPER_LANGUAGES

    if token.strip() not in WHISPER_LANGUAGES:
        raise click.UsageError(f"{token} is not one of Whisper's languages")
    return token.strip()


def _report(
    folder: Path, about: About, pack: NewPack, facts: TextFacts, from_data: str | None
) -> list[str]:
    data = from_data or "DIR"
    quoted = ", which quote your text" if facts.texts else ""
    return [
        *map(str, pack.lines),
        "",
        f"{folder}: a pack for {about.name}, {len(pack.files)} files, "
        f"{pack.n_samples} samples{quoted}",
        "next:",
        f"  pip install -e '{folder}[test]'",
        f"  ruach langs check {about.code}",
        f"  python -m pytest {folder}",
        f"  ruach train --lang {about.code} --data {data}",
    ]
