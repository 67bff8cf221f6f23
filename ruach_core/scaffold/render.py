"""The files of a pack, from what was chosen: templates in the folder `templates`, filled in."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.resources import files
from string import Template

from ruach_core.packs import core_version
from ruach_core.scaffold.alphabet import format_alphabet
from ruach_core.scaffold.choose import Choices, Line, show
from ruach_core.scaffold.tokens import TokenRate
from ruach_core.text.ethiopic import GEMINATION_MARKS
from ruach_core.types import HOOK_API

LICENSES = (
    "MIT", "Apache-2.0", "BSD-3-Clause", "CC0-1.0", "MPL-2.0", "GPL-3.0-or-later",
    "AGPL-3.0-or-later", "LGPL-3.0-or-later", "CC-BY-4.0", "CC-BY-SA-4.0",
)  # fmt: skip
"""SPDX names that `--license` takes: a misspelt one would stop the pack from being built."""

_WIDTH = 88
"""Columns of generated Python: no line is folded otherwise at 88 or at 100."""


@dataclass(frozen=True, slots=True)
class About:
    """What the user says of the language and of the pack."""

    code: str
    iso639_3: str
    name: str
    autonym: str
    whisper_language: str
    reason: str
    maintainer: str
    license: str

    @property
    def distribution(self) -> str:
        """Name of the distribution, and of its folder."""
        return f"ruach-lang-{self.code.lower()}"

    @property
    def module(self) -> str:
        """Name of the package."""
        return self.distribution.replace("-", "_")


def render_normalizer(about: About, choices: Choices) -> str:
    """The source of `normalizer.py`."""
    imports = {"ChainNormalizer", "Rule", "clean_rules", "surface_folds", "unify_apostrophes"}
    target, needs = _target_rules(choices)
    score, needs_too = _score_folds(choices)
    names = sorted(imports | needs | needs_too, key=lambda name: (name.islower(), name))
    modules = {"ethiopic": _is_ethiopic(choices), "latin": choices.accents != ""}
    used = ", ".join(module for module, is_used in modules.items() if is_used)
    lines = [f"from ruach_core.text import {used}"] if used else []
    lines += ["from ruach_core.text.normalization import (", *(f"    {n}," for n in names), ")"]
    return _fill(
        "normalizer.py",
        code=about.code,
        name=about.name,
        distribution=about.distribution,
        imports="\n".join(lines),
        target=textwrap.indent("\n".join(target), " " * 8),
        score=textwrap.indent("\n".join(score), " " * 8),
    )


def render_files(
    about: About,
    choices: Choices,
    *,
    folder: str,
    normalizer: str,
    samples: str,
    tokens: TokenRate,
    lines: Sequence[Line],
) -> dict[str, str]:
    """Every file of the pack, by its path.

    Args:
        about: what the user says.
        choices: what was chosen.
        folder: the folder's name, for the README.
        normalizer: the source of `normalizer.py`.
        samples: the contents of `samples.tsv`.
        tokens: what the language costs.
        lines: the whole explanation.
    """
    package = f"src/{about.module}"
    values = _values(about, choices, tokens, folder, lines)
    test = about.module.removeprefix("ruach_lang_")
    license_template = "LICENSE-MIT" if about.license == "MIT" else "LICENSE"
    return {
        "pyproject.toml": _fill("pyproject.toml", **values),
        "README.md": _fill("README.md", **values),
        "CHANGELOG.md": _fill("CHANGELOG.md", **values),
        "LICENSE": _fill(license_template, **values),
        f"{package}/__init__.py": _fill("init.py", **values),
        f"{package}/py.typed": "",
        f"{package}/hooks.py": _fill("hooks.py", **values),
        f"{package}/normalizer.py": normalizer,
        f"{package}/pack.toml": _fill("pack.toml", **values).rstrip("\n") + "\n",
        f"{package}/samples.tsv": samples,
        f"tests/test_{test}_contract.py": _fill("contract.py", **values),
    }


def _values(
    about: About, choices: Choices, tokens: TokenRate, folder: str, lines: Sequence[Line]
) -> dict[str, str]:
    major, minor = (*re.findall(r"\d+", core_version()), "0", "0")[:2]
    if (major, minor) == ("0", "0"):
        minor = "1"  # core runs without being installed, and doesn't know its version
    reason = f"whisper_language_reason = {_toml(about.reason)}\n" if about.reason else ""
    camel = "".join(part.capitalize() for part in re.split(r"[^A-Za-z0-9]+", about.code))
    return {
        "code": about.code,
        "name": about.name,
        "distribution": about.distribution,
        "module": about.module,
        "folder": folder,
        "license": about.license,
        "maintainer": about.maintainer,
        "year": str(datetime.now(UTC).year),
        "hook_api": str(HOOK_API),
        "min_core": f"{major}.{minor}",
        "next_core": f"{major}.{int(minor) + 1}",
        "description": _toml(f"{about.name} language pack for Ruach."),
        "iso639_3": about.iso639_3,
        "name_toml": _toml(about.name),
        "autonym": _toml(about.autonym),
        "maintainer_toml": _toml(about.maintainer),
        "script": choices.script.code,
        "alphabet": _toml(format_alphabet(choices.alphabet)),
        "alphabet_source": _toml(choices.alphabet_source),
        "whisper_language": about.whisper_language,
        "reason_line": reason,
        "tokens_per_char": f"{tokens.rate:.2f}",
        "tokens_note": tokens.note,
        "repairs": _repairs(choices),
        "test_class": f"Test{camel}",
        "explanation": textwrap.indent("\n".join(map(str, lines)), " " * 4),
        "table": "\n".join(_table(choices)),
    }


def _target_rules(choices: Choices) -> tuple[list[str], set[str]]:
    """Source lines of the target chain, and the names that they need."""
    needs: set[str] = set()
    keep = ", keep_joiners=True" if choices.keep_joiners else ""
    lines = [
        *_comment("Surrogates, invisible characters, Unicode form, white space."),
        f'*clean_rules("NFC"{keep}),',
    ]
    lines += [*_comment("’ and ‘ are typed for the apostrophe."), "unify_apostrophes(),"]
    if choices.repairs:
        needs.add("replace_characters")
        pairs = ", ".join(f'"\\u{ord(c):04x}": "\'"' for c, _ in choices.repairs)
        names = ", ".join(show(c) for c, _ in choices.repairs)
        lines += [
            *_comment(f"So is {names}, a letter: declared under [[repairs]] in pack.toml."),
            "replace_characters(",
            '    "letter apostrophes",',
            f"    {{{pairs}}},",
            '    reason="A letter typed for the apostrophe becomes the plain one.",',
            "),",
        ]
    if choices.accents:
        lines += [
            *_comment("Accents that stand by themselves inside words are typed for it too."),
            "latin.unify_typed_accents(),",
        ]
    if _is_ethiopic(choices):
        if not _spells_gemination(choices):
            lines += [
                *_comment("Gemination marks are teaching aids, and no letter here has one."),
                "*ethiopic.clean_marks(),",
            ]
        lines += [
            *_comment("Wordspace, punctuation: what the script's languages share."),
            "*ethiopic.punctuation_rules(),",
        ]
    if choices.spacing:
        needs.add("replace_pattern")
        lines += [
            *_comment("No space before these marks, as in most of the text."),
            "replace_pattern(",
            '    "space before mark",',
            f'    " ([{choices.spacing}]+)(?= |$)",',
            '    r"\\1",',
            '    reason="A mark stands close to the word before it.",',
            "),",
        ]
    return lines, needs


def _score_folds(choices: Choices) -> tuple[list[str], set[str]]:
    lines: list[str] = []
    needs: set[str] = set()
    if _is_ethiopic(choices):
        lines += [
            *_comment("Chant notation stands inside words, and would become a space."),
            "ethiopic.strip_tonal_marks(),",
        ]
    case = "Case, punctuation" if choices.has_case else "Case (of foreign words), punctuation"
    lines += [
        *_comment(f"{case}. An apostrophe inside a word stays, and parts no word; other"),
        *_comment('marks become a space. between_letters="\'·-" would keep hyphens inside words.'),
        f'*surface_folds("NFC"{", dotless_i=True" if choices.has_dotless_i else ""}),',
    ]
    return lines, needs


def _table(choices: Choices) -> list[str]:
    """Rows of the README's table, after the first."""
    rows = ["| apostrophe | `'` for ’ and ‘ | the same; kept inside words only |"]
    if choices.repairs:
        names = ", ".join(show(c) for c, _ in choices.repairs)
        rows.append(f"| {names} | `'` | the same |")
    if _is_ethiopic(choices):
        rows.append("| Ethiopic marks | core's rules: ፡ a space, ፡፡ ።, no space before | a space |")
    marks = "no space before, as in most of the text" if choices.spacing else "kept"
    rows.append(f"| other punctuation, hyphen | {marks} | a space |")
    rows.append("| case | kept | folded |")
    if choices.keep_joiners:
        rows.append("| zero width joiners | kept where they matter | deleted |")
    rows.append("| numbers | kept | kept |")
    return rows


def _repairs(choices: Choices) -> str:
    return "".join(
        f'\n[[repairs]]\nletter = {_toml(letter)}\nbecomes = "\'"\nwhy = {_toml(why)}\n'
        for letter, why in choices.repairs
    )


def _is_ethiopic(choices: Choices) -> bool:
    return choices.script.code == "Ethi"


def _spells_gemination(choices: Choices) -> bool:
    """Whether a gemination mark is part of a letter, so that it must stay."""
    return any(mark in letter for letter in choices.alphabet for mark in GEMINATION_MARKS)


def _comment(text: str) -> list[str]:
    return [f"# {line}" for line in textwrap.wrap(text, _WIDTH - 10)]


def _toml(text: str) -> str:
    """A basic string of TOML, which is one of JSON's but for U+007F."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _fill(template: str, **values: str) -> str:
    text = files("ruach_core.scaffold").joinpath("templates", f"{template}.tmpl")
    return Template(text.read_text(encoding="utf-8")).substitute(values)
