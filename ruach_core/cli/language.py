"""Which language token a model is prompted with, and how to say so."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import click

from ruach_core.errors import PackError, UserError

if TYPE_CHECKING:
    from ruach_core.evaluation.export_info import ExportInfo
    from ruach_core.manifest import PackManifest


pack_option = click.option(
    "--option",
    "settings",
    metavar="NAME=VALUE",
    multiple=True,
    help="An option of the language pack, as ruach langs info CODE lists them; repeatable.",
)
"""`--option`; `parse_options` reads what it gives."""


def choose_token(lang: str, info: ExportInfo, manifest: PackManifest | None) -> str:
    """Whisper's code in the prompt: the model's own for its language, else the pack's."""
    if info.whisper_language and info.lang == lang:
        return info.whisper_language
    return manifest.whisper_language if manifest else lang


def find_token(lang: str | None, info: ExportInfo) -> str:
    """Whisper's code in the prompt, without a pack where the model knows it.

    Args:
        lang: the code that the user asked for, or None.
        info: of the export.

    Raises:
        UserError: neither the user nor the model says the language.
        PackError: the language is neither the model's, nor Whisper's, nor an installed pack's.
    """
    from ruach_core.manifest import WHISPER_LANGUAGES, load_manifest
    from ruach_core.packs import find_pack

    if lang is None or lang == info.lang:
        token = info.whisper_language or info.lang
        if token is None:
            raise UserError("the model doesn't say its language: give it with --lang CODE")
        return token
    try:
        return load_manifest(find_pack(lang)).whisper_language
    except PackError:
        if lang in WHISPER_LANGUAGES:
            return lang
        raise


def describe_token(
    lang: str, token: str, info: ExportInfo, manifest: PackManifest | None
) -> Iterator[str]:
    """Lines on the token, and on what surprises people about it."""
    if token == lang:
        yield f"language token <|{token}|>"
    else:
        reason = manifest.whisper_language_reason if manifest else info.whisper_language_reason
        why = f" ({reason.rstrip('.')})" if reason else ""
        yield (
            f"language token <|{token}|>, borrowed for {lang}{why}; "
            f"language detection of this model reports {token}"
        )
    if info.lang not in (None, lang):
        yield f"note: the model was trained for {info.lang}, not for {lang}"


def parse_options(settings: Sequence[str]) -> dict[str, str]:
    """A pack's options from `--option NAME=VALUE` flags.

    Raises:
        UserError: a flag isn't NAME=VALUE.
    """
    options: dict[str, str] = {}
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not equals:
            raise UserError(f"--option {setting}: write it as NAME=VALUE")
        options[name] = value
    return options
